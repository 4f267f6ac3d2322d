#!/usr/bin/env python
"""``zipseg label``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("label")

if __name__ == "__main__":
    sys.exit(main())
