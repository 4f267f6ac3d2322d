#!/usr/bin/env python
"""Small, nested parts of a COCO- or LVIS-format file, to fine-tune on few labels.

    tools/make_label_splits.py datasets/coco/annotations/instances_train2017.json

writes 1perc_instances_train2017.json, 2perc_... beside it: CutLER's names, with "_seedS" after the
percentage for seeds other than 0. The same file and seed give the same splits on every machine.
"""

import argparse
import sys
from pathlib import Path

import zipseg.zipworld  # noqa: F401 - registers its data sets and weights
from zipseg.data.registration import annotation_file
from zipseg.data.splits import LEVELS, check_splittable, make_split, split_name
from zipseg.utils.errors import ZipSegError, run_or_explain
from zipseg.utils.files import load_json, write_json


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("file", nargs="?", type=Path, help="COCO- or LVIS-format annotations")
    what.add_argument("--dataset", help="a registered data set of such a file, in place of it")
    parser.add_argument(
        "--percent",
        nargs="+",
        type=float,
        default=[level for level in LEVELS if level < 100],
        help="of the images; default: %(default)s",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="a folder; default: that of the file")
    return parser


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    with run_or_explain():
        file = args.file or annotation_file(args.dataset)
        dataset = load_json(file)
        check_splittable(dataset, file)
        for percent in args.percent:
            split = make_split(dataset, percent, args.seed)
            name = split_name(file.name, percent, args.seed)
            path = (args.output or file.parent) / name
            try:
                write_json(path, split)
            except OSError as error:
                raise ZipSegError(f"{path}: cannot be written ({error.strerror})") from error
            categories = len({a["category_id"] for a in split["annotations"]})
            print(
                f"{path}: {len(split['images']):,} images, {len(split['annotations']):,} labels, "
                f"{categories} of {len(split['categories'])} categories"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
