#!/usr/bin/env python
"""``zipseg demo``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("demo")

if __name__ == "__main__":
    sys.exit(main())
