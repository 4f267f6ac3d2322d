#!/usr/bin/env python
"""Finds the named things in your own images, without training.

    tools/predict.py photos/ --names "cat,dog,traffic light" --output output/photos

Writes overlays and a COCO-format file.
"""

import argparse
from pathlib import Path

from detectron2.utils.logger import setup_logger

import zipseg.zipworld  # noqa: F401 - registers its data sets and weights
from zipseg.data.images import list_images
from zipseg.data.names import read_names
from zipseg.engine.predictor import Predictor, predict_files
from zipseg.engine.setup import load_config
from zipseg.utils.errors import run_or_explain

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
# What --weights stands for.
CHOICES = {
    "embedded": CONFIGS / "ZipWorld" / "zip_embedded.yaml",
    "light": CONFIGS / "COCO" / "zip_RN50_ViT-B-16_SAM-ViT-B.yaml",
    "paper": CONFIGS / "COCO" / "zip_RN50x64_ViT-B-16_SAM-ViT-H.yaml",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", help="image files or folders")
    parser.add_argument(
        "--names", required=True, help="a file with a name a line, or name,name,..."
    )
    parser.add_argument("--output", type=Path, default=Path("output/predictions"))
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--weights",
        choices=sorted(CHOICES),
        default="light",
        help="embedded: the small networks of this project, which know drawn coloured shapes and "
        "nothing of photographs; light, paper: real CLIP and SAM (see README)",
    )
    which.add_argument(
        "--config-file", help="a config instead of --weights, also of a detector (MODEL.WEIGHTS)"
    )
    parser.add_argument(
        "--score", type=float, default=0.0, help="draw instances from this score on"
    )
    parser.add_argument("--opts", nargs="+", default=[], help="KEY VALUE pairs for the config")
    return parser.parse_args()


def main() -> None:
    args = parse()
    setup_logger(name="zipseg")
    cfg = load_config(args.config_file or str(CHOICES[args.weights]), args.opts)
    paths = [
        p
        for given in map(Path, args.images)
        for p in ([given] if not given.is_dir() else list_images(given))
    ]
    predictor = Predictor(cfg, read_names(args.names))
    summary = predict_files(predictor, paths, args.output, args.score)
    print(
        f"{summary.instances} instances in {summary.images} images, "
        f"{len(summary.failures)} images skipped. Results: {summary.results}, "
        f"overlays: {args.output / 'overlays'}"
    )


if __name__ == "__main__":
    with run_or_explain():
        main()
