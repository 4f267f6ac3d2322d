"""Options of the merge rule, the same for every command line that has them."""

import argparse

from .rule import MergeRule

_HELP = {
    "new_score": "new labels of at least this score are kept",
    "previous_score": "previous labels of at least this score are kept that overlap no new one",
    "overlap": "IoU with a kept new label of the category at which a previous one goes",
    "max_overlap": "IoU above which the worse of two merged labels of a category goes",
    "per_image": "at most so many labels of an image",
    "per_category": "at most so many labels of a category",
}


def add_merge_options(parser: argparse.ArgumentParser) -> None:
    """Adds an option for each field of ``MergeRule``, named and valued like it."""
    group = parser.add_argument_group("merging with the round before")
    default = MergeRule()
    for key, text in _HELP.items():
        group.add_argument(
            "--" + key.replace("_", "-"),
            type=int if key.startswith("per_") else float,
            default=getattr(default, key),
            help=f"{text}; default: %(default)s",
        )
    group.add_argument(
        "--any-category",
        action="store_true",
        help="overlaps count whatever the categories are: one name for each place",
    )
