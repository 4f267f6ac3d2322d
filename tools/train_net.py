#!/usr/bin/env python
"""Evaluates Zip and trains detectors on its pseudo-labels, with Detectron2's usual arguments.

tools/train_net.py --config-file configs/Test/zip_tiny_random.yaml --eval-only

"""

from detectron2.engine import default_argument_parser, launch

import zipseg.zipworld  # noqa: F401 - registers its data sets and weights
from zipseg.engine.main import main
from zipseg.utils.errors import run_or_explain

if __name__ == "__main__":
    args = default_argument_parser().parse_args()
    with run_or_explain():
        launch(
            main,
            args.num_gpus,
            num_machines=args.num_machines,
            machine_rank=args.machine_rank,
            dist_url=args.dist_url,
            args=(args,),
        )
