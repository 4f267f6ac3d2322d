"""Small, nested parts of a COCO- or LVIS-format file, to fine-tune on few labels.

    zipseg splits datasets/coco/annotations/instances_train2017.json

writes 1perc_instances_train2017.json, 2perc_... beside it: CutLER's names, with "_seedS" after the
percentage for seeds other than 0. The same file and seed give the same splits on every machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..utils.errors import ZipSegError
from .arguments import check_file, check_output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, help="COCO- or LVIS-format annotations")
    parser.add_argument("--dataset", help="a registered data set of such a file, in place of it")
    parser.add_argument(
        "--percent",
        nargs="+",
        type=float,
        default=[1, 2, 5, 10, 20, 50],
        help="of the images; default: %(default)s",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="a folder; default: that of the file")


def check(args: argparse.Namespace) -> None:
    if bool(args.file) == bool(args.dataset):
        raise ZipSegError("give a file or --dataset NAME, one of them")
    check_file(args.file, "a COCO- or LVIS-format file")
    if args.output:
        check_output_folder(args.output)


def run(args: argparse.Namespace) -> None:
    from ..data.coco_format import read_entries
    from ..data.splits import make_split, split_name
    from ..utils.files import write_json

    file = args.file or _registered(args.dataset)
    dataset = read_entries(file)
    if not dataset["images"]:
        raise ZipSegError(f"{file}: has no images")
    for percent in args.percent:
        split = make_split(dataset, percent, args.seed)
        path = (args.output or file.parent) / split_name(file.name, percent, args.seed)
        write_json(path, split)
        categories = len({a["category_id"] for a in split["annotations"]})
        print(
            f"{path}: {len(split['images']):,} images, {len(split['annotations']):,} labels, "
            f"{categories} of {len(split['categories'])} categories"
        )


def _registered(name: str) -> Path:
    """The file behind a data set: the one case that needs Detectron2's catalogue."""
    from .. import zipworld  # noqa: F401 - registers its data sets
    from ..data.registration import annotation_file

    return annotation_file(name)
