#!/usr/bin/env python
"""``zipseg install-detectron2``, from a checkout."""

import sys

from zipseg.cli.main import door

main = door("install-detectron2")

if __name__ == "__main__":
    sys.exit(main())
