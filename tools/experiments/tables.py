#!/usr/bin/env python
"""``zipseg tables``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("tables")

if __name__ == "__main__":
    sys.exit(main())
