"""Merges a detector's labels with those it was trained on, into those of the next round.

    zipseg merge NEW/labels.json PREVIOUS/labels.json OUT/labels.json

New labels above --new-score are kept, and previous ones that overlap none of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..self_training.rule import add_merge_options
from .arguments import check_file, check_output_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("new", type=Path, help="COCO-format file of the trained detector")
    parser.add_argument("previous", type=Path, help="COCO-format file it was trained on")
    parser.add_argument("output", type=Path, help="the file to write")
    parser.add_argument("--overwrite", action="store_true", help="OUTPUT may be one of the others")
    add_merge_options(parser)


def check(args: argparse.Namespace) -> None:
    check_file(args.new, "a COCO-format file")
    check_file(args.previous, "a COCO-format file")
    check_output_file(args.output, [] if args.overwrite else [args.new, args.previous])


def run(args: argparse.Namespace) -> None:
    from ..data.coco_format import read_labels, write_labels
    from ..self_training.merging import merge_labels
    from ..self_training.rule import MergeRule

    rule = MergeRule(**{key: getattr(args, key) for key in MergeRule._fields})
    merged = merge_labels(read_labels(args.new), read_labels(args.previous), rule)
    write_labels(args.output, merged)
    done = merged["info"]["merge"]
    print(
        f"{args.output}: {done['new']['kept']:,} of {done['new']['labels']:,} new labels, "
        f"{done['previous']['kept']:,} of {done['previous']['labels']:,} previous ones"
    )
