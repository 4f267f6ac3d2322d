"""One table of any number of evaluations; printed, and written with --output.

    zipseg compare zip=output/zip sam=output/sam_alone

A RUN is an evaluation.json or a folder with one in it, optionally NAME=PATH; the first is the
baseline. Runs on the same images get paired bootstrap intervals; published results on the same data
set are listed, marked as such.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..utils.errors import ZipSegError
from .arguments import check_file, check_output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--format", choices=("markdown", "latex"), default="markdown")
    parser.add_argument("--output", type=Path, help="folder for comparison.md, .tex and .json")
    parser.add_argument("--samples", type=int, default=1000, help="resamples; 0: no intervals")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--published", type=Path, help="published rows, JSON; default: ours")


def check(args: argparse.Namespace) -> None:
    for run in args.runs:
        if not Path(_split(run)[1]).exists():
            raise ZipSegError(f"{_split(run)[1]}: no such file or folder; expected an evaluation")
    check_file(args.published)
    if args.output:
        check_output_folder(args.output)


def run(args: argparse.Namespace) -> None:
    from ..evaluation import comparison
    from ..evaluation.report import read_report
    from ..utils.files import replacing_text, write_json

    named = map(_split, args.runs)
    tables = comparison.compare(
        [read_report(path, name) if name else read_report(path) for name, path in named],
        comparison.load_published(args.published or comparison.PUBLISHED),
        samples=args.samples,
        seed=args.seed,
    )
    texts = {"markdown": comparison.to_markdown(tables), "latex": comparison.to_latex(tables)}
    print(texts[args.format], end="")
    if args.output:
        for name, text in (("comparison.md", "markdown"), ("comparison.tex", "latex")):
            with replacing_text(args.output / name) as file:
                file.write(texts[text])
        write_json(args.output / "comparison.json", comparison.to_json(tables))


def _split(run: str) -> tuple[str, str]:
    """Name, "" for none, and path."""
    name, separator, path = run.partition("=")
    return (name, path) if separator else ("", run)
