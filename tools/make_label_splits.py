#!/usr/bin/env python
"""``zipseg splits``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("splits")

if __name__ == "__main__":
    sys.exit(main())
