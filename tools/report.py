#!/usr/bin/env python
"""Writes OUT/report.html about a run of tools/generate_pseudo_labels.py: one page to look at.

python tools/report.py OUT [--truth ANNOTATIONS.json]
"""

import argparse
import sys

from zipseg.utils.errors import run_or_explain
from zipseg.visualization.report import write_report


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", help="the run's folder")
    parser.add_argument("--truth", help="a COCO-format file: adds AP and the worst images")
    parser.add_argument("--labels", help="other labels than OUT/labels.json, e.g. a selection")
    parser.add_argument("--images", help="the images' folder, if it has moved")
    parser.add_argument("--gallery", type=int, default=150, help="pictures; default %(default)s")
    return parser


def main(arguments: list[str] | None = None) -> int:
    with run_or_explain():
        print(write_report(**vars(parser().parse_args(arguments))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
