"""Zip on the small world it ships with, beside SAM alone: a table and a picture of every stage.

    zipseg demo --output output/demo

Nothing is downloaded: the scenes are drawn here, and the small networks are part of the package.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import check_output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=Path("output/demo"), help="default: %(default)s"
    )


def check(args: argparse.Namespace) -> None:
    check_output_folder(args.output)


def run(args: argparse.Namespace) -> None:
    from ..utils.config_files import get_config_file
    from ..zipworld.demo import metrics_table, run_demo

    configs = {
        "zip": get_config_file("ZipWorld/zip_embedded.yaml"),
        "sam_alone": get_config_file("ZipWorld/sam_alone_embedded.yaml"),
    }
    metrics = run_demo(configs, args.output)
    print(f"\n{metrics_table(metrics)}\n")
    print(f"Both beside each other: {args.output / 'beside.png'}")
    print(f"Pictures of the stages: {args.output / 'panels'}")
