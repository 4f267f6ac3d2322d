#!/usr/bin/env python
"""Measures and records the results on ZipWorld; stopped in whatever way, it goes on.

    tools/experiments/zipworld_results.py
    tools/experiments/zipworld_results.py --tables evaluations

Rows are kept one by one below --results and measured again only when their config, weights or
annotations change. Delete a row's file to measure it again after a change of code.
"""

import argparse
from pathlib import Path

from detectron2.utils.logger import setup_logger

from zipseg.experiments.results.plan import read_plan
from zipseg.experiments.results.run import TABLES, record_results
from zipseg.utils.errors import run_or_explain
from zipseg.zipworld.scenes import register_zipworld


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plan", default="configs/ZipWorld/results.yaml", help="the rows, YAML")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results/zipworld"),
        help="folder of the rows; the document gets the same name with .md and .json",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("output/zipworld"), help="predictions and matches"
    )
    options = parser.parse_args(arguments)
    setup_logger(name="zipseg")
    with run_or_explain():
        register_zipworld()
        plan = read_plan(options.plan)
        print(record_results(plan, options.results, options.output, options.tables))


if __name__ == "__main__":
    main()
