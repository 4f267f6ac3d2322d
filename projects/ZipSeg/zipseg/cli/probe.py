"""Which features tell touching objects apart: discovery with oracle activations, from one source.

    zipseg probe --dataset zipworld_val --tune zipworld_train --source layer3 --method watershed
    zipseg probe --json instances.json --images photos/ --source layer3 --method clusters \\
        --resnet RN50x64 --resnet-weights openai

Sources: stem, layer1 .. layer4 (the CLIP ResNet), untrained.LAYER, vit.BLOCK, sam, dino.BLOCK, lab,
none. Prints what it found as JSON; --output writes it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..utils.errors import ZipSegError
from .arguments import check_file

METHODS = ("clusters", "watershed", "silhouette")
# The fields of boundaries.sources.Networks, which imports PyTorch.
NETWORKS = ("resnet", "vit", "sam", "dino")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", help="registered data set to report on")
    parser.add_argument("--json", type=Path, help="COCO-format annotations to report on, instead")
    parser.add_argument("--images", type=Path, help="folder of the images of --json")
    parser.add_argument(
        "--tune",
        help="registered data set to choose settings on; default: other images of the same",
    )
    parser.add_argument("--source", required=True)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--cells", nargs="+", type=int, default=[32, 64], help="of the short side")
    parser.add_argument("--tuning-images", type=int, default=60)
    parser.add_argument("--reported-images", type=int, default=100)
    parser.add_argument("--precision", type=float, default=0.75, help="to compare recall at")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    for name in NETWORKS:
        parser.add_argument(f"--{name}", help="another network than the small one that ships")
        parser.add_argument(f"--{name}-weights", help='its weights; "random" for none')
    parser.add_argument("--segmenter", help="whose --sam is a type; default: SegmentAnything")
    parser.add_argument("--output", type=Path, help="a JSON file")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of a few images")


def check(args: argparse.Namespace) -> None:
    if bool(args.dataset) == bool(args.json) or bool(args.json) != bool(args.images):
        raise ZipSegError("give --dataset, or --json with --images")
    check_file(args.json, "COCO-format annotations")


def run(args: argparse.Namespace) -> None:
    import json

    from ..experiments.boundaries.images import from_files, from_registered
    from ..experiments.boundaries.run import ProbeRequest, probe
    from ..experiments.boundaries.sources import Networks, build_source
    from ..utils.files import write_json
    from ..zipworld.scenes import register_zipworld

    register_zipworld()  # for the environment as it is now
    given = vars(args)
    options = ["segmenter", *(f"{name}{end}" for name in NETWORKS for end in ("", "_weights"))]
    networks = Networks(**{each: given[each] for each in options if given[each] is not None})
    named = args.dataset is not None
    reported = from_registered(args.dataset) if named else from_files(args.json, args.images)
    request = ProbeRequest(
        from_registered(args.tune) if args.tune else reported,
        reported,
        args.tuning_images,
        args.reported_images,
        tuple(args.cells),
        args.method,
        args.precision,
        args.seed,
    )
    row = probe(build_source(args.source, networks), request, args.pictures)
    print(json.dumps(row, indent=1))
    if args.output:
        write_json(args.output, row)
