#!/usr/bin/env python
"""Runs and records the tables of self-training and label-efficient training, row by row.

    tools/experiments/training_tables.py --list
    tools/experiments/training_tables.py --budget-minutes 60     # the most important rows first
    tools/experiments/training_tables.py --only round1 round2
    tools/experiments/training_tables.py --render      # the tables of the rows that are there

The rows are declared in configs/ZipWorld/training_rows.yaml. A finished row is a file of
results/training/ and is not run again; an interrupted one goes on where it was. Several such
commands may run at a time. Exit codes: 0 all done, 75 start again to go on, 1 a row failed.
"""

import argparse
import logging
import shlex
import sys
import time
from pathlib import Path

import zipseg.zipworld  # noqa: F401 - registers its data sets and weights
from zipseg.experiments.tables.render import write_tables
from zipseg.experiments.tables.rows import read_rows
from zipseg.experiments.tables.run import Rows
from zipseg.self_training.programs import Launch, Programs
from zipseg.utils.errors import ZipSegError, run_or_explain

ROWS = "configs/ZipWorld/training_rows.yaml"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default=ROWS, help="the declaration; default: %(default)s")
    parser.add_argument("--work", type=Path, default=Path("output/training"), help="checkpoints")
    parser.add_argument(
        "--results", type=Path, default=Path("results/training"), help="a file a finished row"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="print rows and states, run nothing")
    what.add_argument("--render", action="store_true", help="write the tables, run nothing")
    what.add_argument("--dry-run", action="store_true", help="print all commands, run nothing")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows and what they need")
    parser.add_argument("--table", help="the rows of this table")
    parser.add_argument("--budget-minutes", type=float, help="interrupt after this time")
    parser.add_argument("--num-gpus", type=int, help="for training")
    parser.add_argument("--num-ranks", type=int, help="for labelling")
    return parser


def chosen(rows: Rows, only: list[str] | None, table: str | None) -> list[str]:
    """The names of the asked rows; raises ZipSegError for one that is not declared."""
    declared = rows.declaration.rows
    unknown = [name for name in only or () if name not in declared]
    if unknown:
        raise ZipSegError(f"--only: no row '{unknown[0]}'; --list shows them")
    names = only or list(declared)
    return [name for name in names if table in (None, declared[name].table)]


def command(args: argparse.Namespace) -> str:
    """What runs a row again, its name aside."""
    words = ["tools/experiments/training_tables.py"]
    return shlex.join(words if args.rows == ROWS else [*words, "--rows", args.rows])


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    begin = time.monotonic()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    launch = Launch(num_gpus=args.num_gpus, num_ranks=args.num_ranks)
    with run_or_explain():
        programs = Programs(args.work, launch)
        rows = Rows(read_rows(args.rows), programs, args.results)
        names = chosen(rows, args.only, args.table)
        if args.list:
            for name in names:
                print(f"{rows.state(name):12} {rows.declaration.rows[name].table:12} {name}")
            return 0
        if args.dry_run:
            for name in names:
                print(f"# {name}")
                for step in rows.pipeline(name).steps:
                    print(programs.shown(step))
            return 0
        code = 0
        if not args.render:
            budget = args.budget_minutes
            code = rows.run(names, None if budget is None else begin + 60 * budget)
        text = write_tables(rows.declaration, list(rows.finished()), args.results, command(args))
        print(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
