#!/usr/bin/env python
"""Zip on the small world it ships with, beside SAM alone: a table and a picture of every stage.

tools/demo.py --output output/demo

"""

import argparse
from pathlib import Path

from detectron2.utils.logger import setup_logger

from zipseg.utils.errors import run_or_explain
from zipseg.zipworld.demo import metrics_table, run_demo

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = {
    "zip": ROOT / "configs" / "ZipWorld" / "zip_embedded.yaml",
    "sam_alone": ROOT / "configs" / "ZipWorld" / "sam_alone_embedded.yaml",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "output" / "demo")
    args = parser.parse_args()
    setup_logger()
    setup_logger(name="zipseg")
    configs = {name: str(path) for name, path in CONFIGS.items()}
    metrics = run_demo(configs, args.output, ROOT / "datasets")
    print(f"\n{metrics_table(metrics)}\n\nPictures of the stages: {args.output / 'panels'}")


if __name__ == "__main__":
    with run_or_explain():
        main()
