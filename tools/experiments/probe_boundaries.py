#!/usr/bin/env python
"""Which features tell touching objects apart: discovery with oracle activations by each source.

    tools/experiments/probe_boundaries.py --dataset zipworld_val --tune zipworld_train
    tools/experiments/probe_boundaries.py --json instances.json --images photos/ \\
        --sources layer3 sam none --resnet RN50x64 --resnet-weights openai \\
        --sam vit_h --sam-weights sam_vit_h_4b8939.pth

Sources: stem, layer1 .. layer4 (the CLIP ResNet), untrained.LAYER, vit.BLOCK, sam, dino.BLOCK, lab,
none. A source whose row is in the results already is not measured again without --again.
"""

import argparse
import logging
import sys
from dataclasses import fields
from pathlib import Path

import torch

from zipseg.experiments.boundaries.images import from_files, from_registered
from zipseg.experiments.boundaries.methods import METHODS
from zipseg.experiments.boundaries.run import Plan, run
from zipseg.experiments.boundaries.sources import Networks
from zipseg.utils.errors import run_or_explain
from zipseg.zipworld.scenes import register_zipworld

SOURCES = (
    *("none", "lab", "layer3", "untrained.layer3", "layer2", "layer4", "layer1", "stem"),
    *("vit.4", "vit.7", "sam", "dino.9"),
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", help="registered data set to report on")
    what.add_argument("--json", type=Path, help="COCO-format annotations to report on")
    parser.add_argument("--images", type=Path, help="folder of the images of --json")
    parser.add_argument(
        "--tune",
        help="registered data set to choose settings on; default: other images of the same",
    )
    parser.add_argument("--sources", nargs="+", default=SOURCES)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--cells", nargs="+", type=int, default=[32, 64], help="of the short side")
    parser.add_argument("--tuning-images", type=int, default=60)
    parser.add_argument("--reported-images", type=int, default=100)
    parser.add_argument("--precision", type=float, default=0.75, help="to compare recall at")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    for field in fields(Networks):
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(option, type=type(field.default), default=field.default)
    parser.add_argument("--output", type=Path, default=Path("output/boundary_sources.json"))
    parser.add_argument("--again", action="store_true", help="measure sources with a row again")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of a few images")
    options = parser.parse_args(arguments)
    if (options.json is None) != (options.images is None):
        parser.error("--json and --images go together")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with run_or_explain(), torch.no_grad():
        register_zipworld()
        if options.dataset:
            reported = from_registered(options.dataset)
        else:
            reported = from_files(options.json, options.images)
        run(
            Plan(
                from_registered(options.tune) if options.tune else reported,
                reported,
                options.tuning_images,
                options.reported_images,
                tuple(options.cells),
                tuple(options.methods),
                options.precision,
                options.seed,
            ),
            options.sources,
            Networks(**{field.name: getattr(options, field.name) for field in fields(Networks)}),
            options.output,
            command=" ".join(
                ["tools/experiments/probe_boundaries.py", *(arguments or sys.argv[1:])]
            ),
            again=options.again,
            pictures=options.pictures,
        )


if __name__ == "__main__":
    main()
