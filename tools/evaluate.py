#!/usr/bin/env python
"""Evaluate a COCO-format results file, whoever made it, by any of the protocols."""

import argparse
from pathlib import Path

from detectron2.utils.logger import setup_logger

from zipseg.data.names import read_names
from zipseg.evaluation import PROTOCOLS, evaluate_files
from zipseg.evaluation.scores import BACKENDS
from zipseg.utils.errors import run_or_explain


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("annotations", type=Path, help="COCO- or LVIS-format annotations")
    parser.add_argument("predictions", type=Path, help="COCO-format results")
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=["coco"])
    parser.add_argument("--novel", help="novel categories: a file with a name a line, or name,...")
    parser.add_argument("--backend", choices=BACKENDS, default="vectorized")
    parser.add_argument("--output", type=Path, required=True, help="folder for evaluation.json")
    options = parser.parse_args(arguments)
    setup_logger(name="zipseg")
    with run_or_explain():
        evaluate_files(
            options.annotations,
            options.predictions,
            options.output,
            options.protocols,
            unseen=read_names(options.novel) if options.novel else (),
            backend=options.backend,
        )


if __name__ == "__main__":
    main()
