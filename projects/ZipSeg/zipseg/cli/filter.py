"""Keeps the better labels of a COCO-format file and reports the balance of its categories.

    zipseg filter OUT/labels.json OUT/selected.json --min-score 0.5

The input may be a file that a labelling tool has corrected: polygons, missing scores and extra
fields are fine.
"""

from __future__ import annotations

import argparse

from .arguments import check_file, check_output_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labels", help="a COCO-format file")
    parser.add_argument("output", help="the file to write")
    parser.add_argument("--overwrite", action="store_true", help="OUTPUT may be LABELS itself")
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


def check(args: argparse.Namespace) -> None:
    check_file(args.labels, "a COCO-format file")
    check_output_file(args.output, [] if args.overwrite else [args.labels])


def run(args: argparse.Namespace) -> None:
    from ..data.coco_format import read_labels, write_labels
    from ..labeling.filters import Selection, balance, balance_table, select

    rules = {key: getattr(args, key) for key in Selection._fields}
    labels = read_labels(args.labels)
    selected = select(labels, Selection(**rules))
    selected["info"] = {**labels["info"], "selection": rules}
    write_labels(args.output, selected)
    print(balance_table(balance(labels), balance(selected)))
