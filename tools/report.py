#!/usr/bin/env python
"""``zipseg report``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("report")

if __name__ == "__main__":
    sys.exit(main())
