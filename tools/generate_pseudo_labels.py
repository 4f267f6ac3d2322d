#!/usr/bin/env python
"""Labels a data set or a folder of photographs with any Detectron2 model that returns Instances.

    tools/generate_pseudo_labels.py --config-file CONFIG --images DIR --names FILE --output OUT

OUT/labels.json is one COCO-format file that registers as a training set as it is. Started again,
with any number of ranks, the command goes on where it stopped. Exit codes: 0 complete, 2 something
to mend first, 3 too many images failed, 74 cannot write, 75 incomplete: start it again.
"""

import argparse
import logging
import sys
from pathlib import Path

from zipseg.labeling import distributed
from zipseg.labeling.assembly import outcome
from zipseg.labeling.job import LabelJob
from zipseg.labeling.runner import Rules
from zipseg.utils.errors import run_or_explain
from zipseg.zipworld.scenes import register_zipworld


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="of the model")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", default="", help="a registered data set")
    what.add_argument("--images", default="", help="a folder of images, with --names")
    parser.add_argument("--names", default="", help="a text file of one category name a line")
    parser.add_argument("--output", required=True, type=Path, help="the folder of this run")
    parser.add_argument("--report", action="store_true", help="write OUT/report.html at the end")
    failing = parser.add_argument_group("failing images (listed in OUT/failures.json)")
    failing.add_argument("--retry-failures", action="store_true", help="try them again")
    failing.add_argument(
        "--max-failures",
        type=float,
        default=Rules().max_failures,
        metavar="SHARE",
        help="stop when more than this share of the images (and more than "
        f"{Rules().min_failures}) failed; default %(default)s",
    )
    ranks = parser.add_argument_group(
        "distribution (torchrun and srun are recognised by themselves)"
    )
    ranks.add_argument("--num-ranks", type=int, help="on this machine; default: one a GPU, or 1")
    ranks.add_argument(
        "--threads",
        type=int,
        default=1,
        help="of each CPU rank; the same for a whole run, since last digits depend on it",
    )
    ranks.add_argument("--num-machines", type=int, default=1)
    ranks.add_argument("--machine-rank", type=int, default=0)
    ranks.add_argument("--dist-url", default="auto", help="tcp://HOST:PORT of machine 0")
    ranks.add_argument("--submitit", type=int, metavar="N", help="queue a SLURM array of N ranks")
    ranks.add_argument("--cluster", default="slurm", help="'local' or 'debug' try --submitit here")
    ranks.add_argument(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="submitit's parameters: slurm_partition=gpu, gpus_per_node=1, timeout_min=600 ...",
    )
    parser.add_argument("opts", nargs="*", default=[], metavar="KEY VALUE", help="config changes")
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = parser()
    args = options.parse_args(arguments)
    if bool(args.images) != bool(args.names):
        options.error("--images and --names go together")
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    register_zipworld()
    job = LabelJob(
        config_file=args.config_file,
        output=str(args.output),
        dataset=args.dataset,
        images=args.images,
        names=args.names,
        opts=tuple(args.opts),
        rules=Rules(args.retry_failures, args.max_failures),
        threads=args.threads,
        report=args.report,
        modules=("zipseg.zipworld",),
    )
    with run_or_explain():
        if args.submitit:
            jobs = distributed.submit(job, args.submitit, args.cluster, args.slurm)
            print("queued:", *(x.job_id for x in jobs))
            return 0
        code = distributed.run(
            job, args.num_ranks, args.num_machines, args.machine_rank, args.dist_url
        )
        print(outcome(args.output, code))
        return code


if __name__ == "__main__":
    sys.exit(main())
