"""Evaluates a file of predictions, whoever made it, by any of the protocols.

    zipseg evaluate instances_val2017.json OUT/predictions.json --output OUT/evaluation

PREDICTIONS is a list of COCO-format results, or a COCO-format file with scores such as those that
'zipseg predict' and 'zipseg label' write.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import check_file, check_names, check_output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # The words of evaluation.protocols, which takes a second to import.
    protocols = ("coco", "class_agnostic", "open_vocabulary", "lvis")
    parser.add_argument("annotations", type=Path, help="COCO- or LVIS-format annotations")
    parser.add_argument("predictions", type=Path, help="COCO-format results, or a file of labels")
    parser.add_argument("--protocols", nargs="+", choices=protocols, default=["coco"])
    parser.add_argument("--novel", help="novel categories: a file with a name a line, or name,...")
    parser.add_argument("--output", type=Path, required=True, help="folder for evaluation.json")


def check(args: argparse.Namespace) -> None:
    check_file(args.annotations, "a COCO- or LVIS-format file")
    check_file(args.predictions, "a file of predictions")
    check_names(args.novel)
    check_output_folder(args.output)


def run(args: argparse.Namespace) -> None:
    from ..data.names import read_names
    from ..evaluation.files import evaluate_files

    evaluate_files(
        args.annotations,
        args.predictions,
        args.output,
        args.protocols,
        unseen=read_names(args.novel) if args.novel else (),
    )
