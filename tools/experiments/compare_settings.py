#!/usr/bin/env python
"""Compares variants of a Zip config on one data set; the networks run once for all of them.

    tools/experiments/compare_settings.py --config-file configs/ZipWorld/zip_embedded.yaml \\
        --dataset zipworld_train --images 60 --variants configs/ZipWorld/variants.yaml \\
        --output results/settings.json

Rows that are in the output already are kept, so it can be interrupted. Beside the JSON it writes a
Markdown table.
"""

import argparse
import platform
import sys
from pathlib import Path

import torch
from detectron2.utils.logger import setup_logger

from zipseg.experiments.settings.run import compare_variants, read_variants, to_markdown
from zipseg.utils.errors import run_or_explain
from zipseg.zipworld.scenes import register_zipworld


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--dataset", default="zipworld_train")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--variants", required=True, help="YAML: name: [KEY, VALUE, ...]")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="default: all of them")
    parser.add_argument("--output", type=Path, required=True, help="a JSON file")
    args = parser.parse_args()
    setup_logger(name="zipseg")
    register_zipworld()
    settings = {
        "command": " ".join(["tools/experiments/compare_settings.py", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }
    report = compare_variants(
        args.config_file,
        args.dataset,
        read_variants(args.variants, args.only),
        args.output,
        args.images,
        settings,
    )
    table = to_markdown(report)
    args.output.with_suffix(".md").write_text(f"{table}\n`{settings['command']}`\n")
    print(table)


if __name__ == "__main__":
    with run_or_explain():
        main()
