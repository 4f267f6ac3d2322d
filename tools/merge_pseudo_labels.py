#!/usr/bin/env python
"""Merges a detector's labels with those it was trained on, into those of the next round.

    tools/merge_pseudo_labels.py NEW/labels.json PREVIOUS/labels.json OUT/labels.json

New labels above --new-score are kept, and previous ones that overlap none of them.
"""

import argparse
import sys
from pathlib import Path

from zipseg.data.labels import read_labels, write_labels
from zipseg.self_training.merging import MergeRule, merge_labels
from zipseg.self_training.options import add_merge_options
from zipseg.utils.errors import run_or_explain


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("new", type=Path, help="COCO-format file of the trained detector")
    parser.add_argument("previous", type=Path, help="COCO-format file it was trained on")
    parser.add_argument("output", type=Path, help="the file to write")
    add_merge_options(parser)
    args = vars(parser.parse_args(arguments))
    with run_or_explain():
        rule = MergeRule(**{key: args[key] for key in MergeRule._fields})
        merged = merge_labels(read_labels(args["new"]), read_labels(args["previous"]), rule)
        write_labels(args["output"], merged)
    done = merged["info"]["merge"]
    print(
        f"{args['output']}: {done['new']['kept']:,} of {done['new']['labels']:,} new labels, "
        f"{done['previous']['kept']:,} of {done['previous']['labels']:,} previous ones"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
