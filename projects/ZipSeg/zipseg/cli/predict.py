"""Finds the named things in your own images, without training.

    zipseg predict photos/ --names "cat,dog,traffic light" --output output/photos

Writes OUT/overlays/ to look at and OUT/predictions.json in COCO's format. Unreadable images are
reported and passed over.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import (
    add_config,
    add_images,
    check_config,
    check_images,
    check_names,
    check_output_folder,
)

PAIRS = "the config"
# What --weights stands for.
CHOICES = {
    "embedded": "ZipWorld/zip_embedded.yaml",
    "light": "COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml",
    "paper": "COCO/zip_RN50x64_ViT-B-16_SAM-ViT-H.yaml",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_images(parser)
    parser.add_argument(
        "--names",
        help="a file with a name a line, or name,name,...; default: those of the config's first "
        "test data set",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("output/predictions"), help="default: %(default)s"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--weights",
        choices=sorted(CHOICES),
        default="light",
        help="light, paper: real CLIP and SAM, downloaded at the first use; embedded: the small "
        "networks of this project, which know drawn cushions and nothing of photographs; "
        "default: %(default)s",
    )
    add_config(which, required=False)
    parser.add_argument(
        "--score", type=float, default=0.0, help="draw instances from this score on"
    )


def check(args: argparse.Namespace) -> None:
    args.config_file = check_config(args.config_file or CHOICES[args.weights])
    check_images(args.images)
    check_names(args.names)
    check_output_folder(args.output)


def run(args: argparse.Namespace) -> None:
    from ..data.images import find_images
    from ..data.names import read_names

    paths = find_images(args.images)
    names = read_names(args.names) if args.names else None
    # What is slow comes after what may be wrong.
    from .. import zipworld  # noqa: F401 - registers its data sets and weights
    from ..engine.predictor import Predictor, predict_files

    predictor = Predictor.from_config(args.config_file, names, opts=args.opts)
    summary = predict_files(predictor, paths, args.output, args.score)
    print(
        f"{summary.instances} instances in {summary.images} images, "
        f"{len(summary.failures)} images skipped. Results: {summary.results}, "
        f"overlays: {args.output / 'overlays'}"
    )
