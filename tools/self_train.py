#!/usr/bin/env python
"""``zipseg self-train``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("self-train")

if __name__ == "__main__":
    sys.exit(main())
