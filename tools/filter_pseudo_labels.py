#!/usr/bin/env python
"""``zipseg filter``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("filter")

if __name__ == "__main__":
    sys.exit(main())
