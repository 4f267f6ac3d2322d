"""Self-training in rounds: label, train, evaluate, relabel, merge, train again.

    zipseg self-train --config-file SelfTraining/COCO_mask_rcnn_R50_FPN.yaml \\
        --zip-config COCO/zip_RN50x64_ViT-B-16_SAM-ViT-H.yaml \\
        --dataset coco_2017_train --rounds 3 --output OUT

OUT/rounds.md and OUT/rounds.json hold every round's metrics. Started again, whatever stopped it,
the command goes on where it was; --dry-run prints what it runs, to be run by hand in that order.
Exit codes: 0 complete, 74 cannot write, 75 incomplete: start it again, others: see the message.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from ..self_training.rounds import INITIALISE, SelfTraining
from ..self_training.rule import add_merge_options
from ..utils.errors import ZipSegError
from .arguments import check_config, check_output_folder, check_pairs

PAIRS = "the detector's config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config-file",
        action="append",
        required=True,
        metavar="FILE",
        help="of the detector; given several times: one a round, the last for those that remain",
    )
    parser.add_argument(
        "--zip-config", required=True, metavar="FILE", help="of the model that labels first"
    )
    parser.add_argument("--dataset", required=True, help="a registered data set to label")
    parser.add_argument("--rounds", type=int, default=1, help="of training; default %(default)s")
    parser.add_argument("--output", type=Path, required=True, help="the folder of this run")
    parser.add_argument(
        "--zip-opts", default="", metavar="'KEY VALUE ...'", help="changes of --zip-config"
    )
    parser.add_argument(
        "--first-score",
        type=float,
        default=SelfTraining.first_score,
        help="the first model's labels below this are left out; default %(default)s",
    )
    parser.add_argument(
        "--first-overlap",
        type=float,
        default=SelfTraining.first_overlap,
        help="of the first model's labels that overlap more (IoU), whatever their names, the best "
        "stays; default %(default)s",
    )
    parser.add_argument(
        "--initialise",
        choices=INITIALISE,
        default=SelfTraining.initialise,
        help="later rounds start from the round before, or from the config's MODEL.WEIGHTS",
    )
    how = parser.add_argument_group("how it runs (may change from one start to the next)")
    how.add_argument("--dry-run", action="store_true", help="print all commands, run nothing")
    how.add_argument("--step", help="run this one only, such as round1/train")
    how.add_argument("--num-gpus", type=int, help="of each machine, for training")
    how.add_argument("--num-ranks", type=int, help="of each machine, for labelling")
    how.add_argument(
        "--launch-train", default="", metavar="WORDS", help="before python, for training"
    )
    how.add_argument(
        "--launch-label", default="", metavar="WORDS", help="before python, for labelling"
    )
    add_merge_options(parser)


def check(args: argparse.Namespace) -> None:
    if args.rounds < 1:
        raise ZipSegError(f"--rounds: {args.rounds} is less than 1")
    for config_file in (*args.config_file, args.zip_config):
        check_config(config_file)
    check_pairs(shlex.split(args.zip_opts))
    check_output_folder(args.output)


def run(args: argparse.Namespace) -> None:
    from ..self_training.programs import Launch, Programs
    from ..self_training.report import record_rounds, to_markdown
    from ..self_training.rounds import all_steps, plan_rounds
    from ..self_training.rule import MergeRule
    from ..self_training.runner import Pipeline

    request = SelfTraining(
        configs=tuple(args.config_file),
        zip_config=args.zip_config,
        dataset=args.dataset,
        rounds=args.rounds,
        opts=tuple(args.opts),
        zip_opts=tuple(shlex.split(args.zip_opts)),
        first_score=args.first_score,
        first_overlap=args.first_overlap,
        rule=MergeRule(**{key: getattr(args, key) for key in MergeRule._fields}),
        initialise=args.initialise,
    )
    launch = Launch(
        tuple(shlex.split(args.launch_train)),
        tuple(shlex.split(args.launch_label)),
        args.num_gpus,
        args.num_ranks,
    )
    programs = Programs(args.output, launch=launch)
    rounds = plan_rounds(request, programs)
    pipeline = Pipeline(programs, all_steps(rounds))
    if args.dry_run:
        pipeline.check()
        for step in pipeline.steps:
            print(f"# {step.name} ({pipeline.state(step)})\n{programs.shown(step)}")
        return
    only = [pipeline.step(args.step)] if args.step else None
    pipeline.run(only, after=lambda step: record_rounds(pipeline, rounds))
    print(to_markdown(record_rounds(pipeline, rounds)))
