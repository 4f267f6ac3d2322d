"""Labels photographs or a data set with any Detectron2 model that returns Instances.

    zipseg label photos/ --names names.txt --config-file CONFIG --output OUT

OUT/labels.json is one COCO-format file that registers as a training set as it is. Started again,
with any number of ranks, the command goes on where it stopped. Exit codes: 0 complete, 2 something
to mend first, 3 too many images failed, 74 cannot write, 75 incomplete: start it again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..labeling.errors import Rules
from ..utils.errors import ZipSegError
from .arguments import (
    add_config,
    add_images,
    check_config,
    check_images,
    check_names,
    check_output_folder,
)

PAIRS = "the config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_images(parser, nargs="*")
    parser.add_argument("--dataset", default="", help="a registered data set, in place of images")
    parser.add_argument(
        "--names", default="", help="with images: a file with a name a line, or name,name,..."
    )
    add_config(parser)
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


def check(args: argparse.Namespace) -> None:
    if bool(args.images) == bool(args.dataset):
        raise ZipSegError("give images (files, folders, globs) or --dataset NAME, one of them")
    if bool(args.images) != bool(args.names):
        raise ZipSegError("images and --names go together; a data set has names of its own")
    args.config_file = check_config(args.config_file)
    check_images(args.images)
    check_names(args.names)
    check_output_folder(args.output)


def run(args: argparse.Namespace) -> int:
    from ..labeling import distributed
    from ..labeling.assembly import outcome
    from ..labeling.job import LabelJob

    job = LabelJob(
        config_file=args.config_file,
        output=str(args.output),
        dataset=args.dataset,
        images=tuple(args.images),
        names=args.names,
        opts=tuple(args.opts),
        rules=Rules(args.retry_failures, args.max_failures),
        threads=args.threads,
        report=args.report,
        modules=("zipseg.zipworld",),
    )
    if args.submitit:
        jobs = distributed.submit(job, args.submitit, args.cluster, args.slurm)
        if args.cluster == "debug":
            code = max(queued.result() for queued in jobs)
            print(outcome(args.output, code, args.report))
            return code
        print("queued:", *(queued.job_id for queued in jobs))
        return 0
    code = distributed.run(job, args.num_ranks, args.num_machines, args.machine_rank, args.dist_url)
    print(outcome(args.output, code, args.report))
    return code
