#!/usr/bin/env python
"""``zipseg evaluate``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("evaluate")

if __name__ == "__main__":
    sys.exit(main())
