#!/usr/bin/env python
"""``zipseg lost``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("lost")

if __name__ == "__main__":
    sys.exit(main())
