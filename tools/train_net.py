#!/usr/bin/env python
"""``zipseg train``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("train")

if __name__ == "__main__":
    sys.exit(main())
