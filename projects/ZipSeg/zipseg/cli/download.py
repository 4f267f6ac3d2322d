"""Fetches all weights that a config needs, for machines without a network.

    zipseg download --config-file COCO/zip_RN50x64_ViT-B-16_SAM-ViT-H.yaml
    zipseg download --config-file COCO/zip_RN50x64_ViT-B-16_SAM-ViT-H.yaml --check

--check downloads nothing, verifies the checksums that are known, and exits with 1 if something is
missing. SAM's checkpoints are kept in $ZIPSEG_CACHE/weights (by default ~/.cache/zipseg/weights),
CLIP's where open_clip keeps them, detectors' where Detectron2 does.
"""

from __future__ import annotations

import argparse

from .arguments import add_config, check_config

PAIRS = "the config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--check", action="store_true", help="only say what is there and what not")


def check(args: argparse.Namespace) -> None:
    args.config_file = check_config(args.config_file)


def run(args: argparse.Namespace) -> int:
    from .. import zipworld  # noqa: F401 - registers its weights
    from ..engine.needs import needed_weights
    from ..engine.setup import load_config

    missing = 0
    needs = list(needed_weights(load_config(args.config_file, args.opts)))
    if not needs:
        print(f"{args.config_file} needs no weights from elsewhere")
    for need in needs:
        path = need.find() if args.check else need.fetch()
        missing += path is None
        print(f"{'missing' if path is None else 'there':8} {need.name}: {path or need.source}")
    return 1 if missing else 0
