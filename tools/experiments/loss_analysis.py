#!/usr/bin/env python
"""``zipseg losses``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("losses")

if __name__ == "__main__":
    sys.exit(main())
