#!/usr/bin/env python
"""Keeps the better labels of a COCO-format file and reports the balance of its categories.

    python tools/filter_pseudo_labels.py OUT/labels.json OUT/selected.json --min-score 0.5

The input may be a file that a labelling tool has corrected: polygons, missing scores and extra
fields are fine.
"""

import argparse
import sys

from zipseg.data.labels import read_labels, write_labels
from zipseg.labeling.filters import Selection, balance, balance_table, select
from zipseg.utils.errors import run_or_explain


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", help="a COCO-format file")
    parser.add_argument("output", help="the file to write")
    parser.add_argument("--min-score", type=float, default=0.0, help="0..1")
    parser.add_argument("--min-area", type=float, default=0.0, help="pixels")
    parser.add_argument(
        "--max-overlap",
        type=float,
        default=1.0,
        help="of masks of a category that overlap more (IoU) only the best stays",
    )
    parser.add_argument(
        "--any-category",
        action="store_true",
        help="... whatever their categories are: one name for each place",
    )
    parser.add_argument("--per-image", type=int, help="at most so many labels of an image")
    parser.add_argument("--per-category", type=int, help="at most so many labels of a category")
    return parser


def main(arguments: list[str] | None = None) -> int:
    args = vars(parser().parse_args(arguments))
    source, target = args.pop("labels"), args.pop("output")
    with run_or_explain():
        labels = read_labels(source)
        selected = select(labels, Selection(**args))
        selected["info"] = {**labels["info"], "selection": args}
        write_labels(target, selected)
    print(balance_table(balance(labels), balance(selected)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
