"""Writes OUT/report.html about a run of 'zipseg label': one page to look at.

zipseg report OUT [--truth ANNOTATIONS.json]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..utils.errors import ZipSegError
from .arguments import check_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="OUT", help="the run's folder")
    parser.add_argument("--truth", help="a COCO-format file: adds AP and the worst images")
    parser.add_argument("--labels", help="other labels than OUT/labels.json, e.g. a selection")
    parser.add_argument("--images", help="the images' folder, if it has moved")
    parser.add_argument("--gallery", type=int, default=150, help="pictures; default %(default)s")


def check(args: argparse.Namespace) -> None:
    if not Path(args.output).is_dir():
        raise ZipSegError(f"{args.output}: no such folder; expected that of a labelling run")
    if args.labels is None:
        check_file(Path(args.output) / "labels.json", "the labels of a finished run")
    check_file(args.truth, "a COCO-format file")
    check_file(args.labels, "a COCO-format file")
    if args.images and not Path(args.images).is_dir():
        raise ZipSegError(f"--images {args.images}: no such folder")


def run(args: argparse.Namespace) -> None:
    from ..visualization.report import write_report

    print(write_report(**vars(args)))
