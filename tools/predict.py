#!/usr/bin/env python
"""``zipseg predict``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("predict")

if __name__ == "__main__":
    sys.exit(main())
