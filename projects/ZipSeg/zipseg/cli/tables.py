"""Runs and records tables of experiments, row by row: what is declared in a file of rows.

    zipseg tables --list
    zipseg tables --budget-minutes 60      # the most important rows first
    zipseg tables --only round1 round2
    zipseg tables --render                 # the tables of the rows that are there

A finished row is a file of --results and is not run again; an interrupted one goes on where it was.
Several such commands may run at a time. Exit codes: 0 all done, 75 start again to go on, 1 a row
failed or is declared otherwise than it was run.
"""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path

from ..utils.config_files import config_folder
from ..utils.errors import ZipSegError
from .arguments import check_file

ROWS = config_folder() / "experiments" / "zipworld.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=Path, default=ROWS, help="the file; default: experiments/zipworld.yaml"
    )
    parser.add_argument("--work", type=Path, help="checkpoints; default: output/NAME of the file")
    parser.add_argument(
        "--results", type=Path, help="a file a finished row; default: results/NAME of the file"
    )
    parser.add_argument("--list", action="store_true", help="print rows and states, run nothing")
    parser.add_argument("--render", action="store_true", help="write the tables, run nothing")
    parser.add_argument("--dry-run", action="store_true", help="print all commands, run nothing")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows and what they need")
    parser.add_argument("--table", help="the rows of this table")
    parser.add_argument("--budget-minutes", type=float, help="interrupt after this time")
    parser.add_argument("--num-gpus", type=int, help="for training")
    parser.add_argument("--num-ranks", type=int, help="for labelling")
    parser.add_argument(
        "--device", help="cuda, for rows whose configs say cpu; a row is the same on either"
    )


def check(args: argparse.Namespace) -> None:
    check_file(args.rows, "a file of rows")


def run(args: argparse.Namespace) -> int:
    from ..experiments.tables.render import write_tables
    from ..experiments.tables.rows import read_rows
    from ..experiments.tables.store import Rows, world_inputs
    from ..self_training.programs import Launch, Programs

    begin = time.monotonic()
    launch = Launch(num_gpus=args.num_gpus, num_ranks=args.num_ranks, device=args.device)
    work = args.work or Path("output") / args.rows.stem
    results = args.results or Path("results") / args.rows.stem
    rows = Rows(read_rows(args.rows), Programs(work, launch, world_inputs()), results)
    names = _chosen(rows.declaration.rows, args.only, args.table)
    if args.list:
        for name in names:
            print(f"{rows.state(name):8} {rows.declaration.rows[name].table:12} {name}")
        return 0
    if args.dry_run:
        shown: set[str] = set()
        for name in names:
            print(f"# {name} ({rows.state(name)})")
            for step in rows.pipeline(name).steps:
                if step.name not in shown:  # several rows may need it
                    print(rows.programs.shown(step))
                shown.add(step.name)
        return 0
    code = 0
    if not args.render:
        budget = args.budget_minutes
        code = rows.run(names, None if budget is None else begin + 60 * budget)
    command = ["zipseg", "tables", *([] if args.rows == ROWS else ["--rows", str(args.rows)])]
    print(write_tables(rows.declaration, list(rows.finished()), results, shlex.join(command)))
    return code


def _chosen(declared: dict, only: list[str] | None, table: str | None) -> list[str]:
    """The names of the asked rows; raises ZipSegError for one that is not declared."""
    unknown = [name for name in only or () if name not in declared]
    if unknown:
        raise ZipSegError(f"--only: no row '{unknown[0]}'; --list shows them")
    return [name for name in only or declared if table in (None, declared[name].table)]
