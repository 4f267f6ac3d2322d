"""Which stage of Zip loses which objects: numbers, a plot and pictures; or what each stage would
bring if it were perfect.

    zipseg lost --config-file ZipWorld/zip_embedded.yaml --output output/lost
    zipseg lost --ceilings --config-file ZipWorld/zip_embedded.yaml --output output/ceilings

Reads the config's first test data set, which needs annotations.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import add_config, check_config, check_output_folder

PAIRS = "the config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for records and report")
    parser.add_argument("--limit", type=int, help="only the first so many images; default: all")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--reuse", action="store_true", help="analyse the records that are there, run nothing"
    )
    kind.add_argument(
        "--ceilings",
        action="store_true",
        help="AP and AR with the results of one stage after the other replaced by the truth",
    )


def check(args: argparse.Namespace) -> None:
    args.config_file = check_config(args.config_file)
    check_output_folder(args.output)


def run(args: argparse.Namespace) -> None:
    from ..engine.setup import load_config
    from ..experiments.attribution.run import attribute_lost_objects
    from ..experiments.ceilings import measure_ceilings
    from ..zipworld.scenes import register_zipworld

    register_zipworld()  # for the environment as it is now
    cfg = load_config(args.config_file, args.opts)
    if args.ceilings:
        print(measure_ceilings(cfg, args.output, args.limit))
        return
    print(attribute_lost_objects(cfg, args.output, args.limit, args.reuse))
