"""Trains a detector, or evaluates any model, Zip included, with Detectron2's usual arguments.

    zipseg train --config-file SelfTraining/COCO_mask_rcnn_R50_FPN.yaml --num-gpus 8
    zipseg train --config-file LabelEfficient/COCO_mask_rcnn_R50_FPN.yaml --percent 10
    zipseg train --eval-only --config-file COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml

DATASETS.TRAIN and DATASETS.TEST take registered data sets and paths of COCO-format files.
"""

from __future__ import annotations

import argparse
import os

from ..utils.errors import ZipSegError
from .arguments import add_config, check_config, check_output_folder

PAIRS = "the config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on with the last checkpoint in OUTPUT_DIR"
    )
    parser.add_argument("--eval-only", action="store_true", help="evaluate, train nothing")
    parser.add_argument(
        "--percent",
        type=float,
        help="of the labels of DATASETS.TRAIN, by the schedule that TRAINING.SHARES has for it",
    )
    parser.add_argument("--split-seed", type=int, default=0, help="another choice of the labels")
    parser.add_argument("--num-gpus", type=int, default=1, help="of this machine")
    parser.add_argument("--num-machines", type=int, default=1)
    parser.add_argument("--machine-rank", type=int, default=0)
    # The same port for the same user, as Detectron2 has it, so that a hanging job is noticed.
    port = 2**15 + 2**14 + hash(os.getuid()) % 2**14
    parser.add_argument(
        "--dist-url", default=f"tcp://127.0.0.1:{port}", help="of machine 0; default: %(default)s"
    )


def check(args: argparse.Namespace) -> None:
    args.config_file = check_config(args.config_file)
    if args.eval_only and args.percent is not None:
        raise ZipSegError("--percent: chooses what to train on; --eval-only trains nothing")
    given = dict(zip(args.opts[::2], args.opts[1::2], strict=True))
    if "OUTPUT_DIR" in given:
        check_output_folder(given["OUTPUT_DIR"], "OUTPUT_DIR")


def run(args: argparse.Namespace) -> None:
    from detectron2.engine import launch

    from ..engine.main import check_gpus

    check_gpus(args.num_gpus)
    if args.percent is not None:
        from .. import zipworld  # noqa: F401 - registers its data sets
        from ..engine.label_efficient import share_options

        args.opts = share_options(args.config_file, args.opts, args.percent, args.split_seed)
    launch(
        on_each_gpu,
        args.num_gpus,
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
        args=(args,),
    )


def on_each_gpu(args: argparse.Namespace) -> None:
    """What ``launch`` runs, in this process or in one for each GPU."""
    from .. import zipworld  # noqa: F401 - registers its data sets and weights
    from ..engine.main import main
    from ..utils.errors import run_or_explain
    from .main import quieten_dependencies

    quieten_dependencies()
    with run_or_explain():
        main(args)
