#!/usr/bin/env python
"""``zipseg probe``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("probe")

if __name__ == "__main__":
    sys.exit(main())
