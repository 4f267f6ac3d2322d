#!/usr/bin/env python
"""``zipseg compare``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("compare")

if __name__ == "__main__":
    sys.exit(main())
