#!/usr/bin/env python
"""``zipseg merge``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("merge")

if __name__ == "__main__":
    sys.exit(main())
