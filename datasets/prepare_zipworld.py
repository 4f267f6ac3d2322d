#!/usr/bin/env python
"""Render ZipWorld's data sets ahead of time. They are also rendered when first loaded."""

import argparse

from zipseg.zipworld.scenes import EVALUATION_SPLITS, ensure_rendered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("splits", nargs="*", default=[], help=f"of {', '.join(EVALUATION_SPLITS)}")
    parser.add_argument("--root", help="default: $DETECTRON2_DATASETS, or else ./datasets")
    args = parser.parse_args()
    unknown = set(args.splits) - set(EVALUATION_SPLITS)
    if unknown:
        parser.error(f"no such data set: {', '.join(sorted(unknown))}")
    for split in args.splits or EVALUATION_SPLITS:
        print(ensure_rendered(split, args.root))


if __name__ == "__main__":
    main()
