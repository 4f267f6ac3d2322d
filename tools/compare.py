#!/usr/bin/env python
"""One table of any number of evaluations: compare.py RUN... prints it, --output writes it.

A RUN is an evaluation.json or a folder with one in it, optionally NAME=PATH; the first is the
baseline. Runs on the same images get paired bootstrap intervals; published results on the same data
set are listed, marked as such.
"""

import argparse
from pathlib import Path

from zipseg.evaluation import comparison
from zipseg.evaluation.report import Report, read_report
from zipseg.utils.errors import run_or_explain
from zipseg.utils.files import write_json


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--format", choices=("markdown", "latex"), default="markdown")
    parser.add_argument("--output", type=Path, help="folder for comparison.md, .tex and .json")
    parser.add_argument("--samples", type=int, default=1000, help="resamples; 0: no intervals")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--published", type=Path, default=comparison.PUBLISHED, help="published rows, JSON"
    )
    options = parser.parse_args(arguments)
    with run_or_explain():
        tables = comparison.compare(
            [_read(run) for run in options.runs],
            comparison.load_published(options.published),
            samples=options.samples,
            seed=options.seed,
        )
    texts = {"markdown": comparison.to_markdown(tables), "latex": comparison.to_latex(tables)}
    print(texts[options.format], end="")
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "comparison.md").write_text(texts["markdown"], encoding="utf-8")
        (options.output / "comparison.tex").write_text(texts["latex"], encoding="utf-8")
        write_json(options.output / "comparison.json", comparison.to_json(tables))


def _read(run: str) -> Report:
    name, separator, path = run.partition("=")
    return read_report(path, name) if separator else read_report(run)


if __name__ == "__main__":
    main()
