#!/usr/bin/env python
"""Self-training in rounds: label, train, evaluate, relabel, merge, train again.

    tools/self_train.py --config-file DETECTOR.yaml --zip-config ZIP.yaml \\
        --dataset coco_2017_train --rounds 3 --output OUT

OUT/rounds.md and OUT/rounds.json hold every round's metrics. Started again, whatever stopped it,
the command goes on where it was; --dry-run prints what it runs, to be run by hand in that order.
Exit codes: 0 complete, 74 cannot write, 75 incomplete: start it again, others: see the message.
"""

import argparse
import logging
import shlex
import sys
from pathlib import Path

from zipseg.self_training.merging import MergeRule
from zipseg.self_training.options import add_merge_options
from zipseg.self_training.plan import INITIALISE, Plan, all_steps, plan_rounds
from zipseg.self_training.programs import Launch, Programs
from zipseg.self_training.record import record_rounds, to_markdown
from zipseg.self_training.runner import Pipeline
from zipseg.utils.errors import run_or_explain


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config-file",
        action="append",
        required=True,
        help="of the detector; given several times: one a round, the last for those that remain",
    )
    parser.add_argument("--zip-config", required=True, help="of the model that labels first")
    parser.add_argument("--dataset", required=True, help="a registered data set to label")
    parser.add_argument("--rounds", type=int, default=1, help="of training; default %(default)s")
    parser.add_argument("--output", type=Path, required=True, help="the folder of this run")
    parser.add_argument(
        "--zip-opts", default="", metavar="'KEY VALUE ...'", help="changes of --zip-config"
    )
    parser.add_argument(
        "--first-score",
        type=float,
        default=Plan.first_score,
        help="the first model's labels below this are left out; default %(default)s",
    )
    parser.add_argument(
        "--first-overlap",
        type=float,
        default=Plan.first_overlap,
        help="of the first model's labels that overlap more (IoU), whatever their names, the best "
        "stays; default %(default)s",
    )
    parser.add_argument(
        "--initialise",
        choices=INITIALISE,
        default=Plan.initialise,
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
    parser.add_argument(
        "opts", nargs="*", default=[], metavar="KEY VALUE", help="changes of the detector's config"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = parser()
    args = options.parse_args(arguments)
    if args.rounds < 1:
        options.error("--rounds: at least 1")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    plan = Plan(
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
    with run_or_explain():
        programs = Programs(args.output, Path(__file__).absolute().parent, launch)
        rounds = plan_rounds(plan, programs)
        pipeline = Pipeline(programs, all_steps(rounds))
        if args.dry_run:
            pipeline.check()
            for step in pipeline.steps:
                print(f"# {step.name} ({pipeline.state(step)})\n{programs.shown(step)}")
            return 0
        only = [pipeline.step(args.step)] if args.step else None
        pipeline.run(only, after=lambda step: record_rounds(pipeline, rounds))
        print(to_markdown(record_rounds(pipeline, rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
