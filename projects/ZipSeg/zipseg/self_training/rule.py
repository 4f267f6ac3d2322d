"""The rule by which labels of two rounds are merged, and its options; ``merging`` applies it."""

import argparse
from typing import NamedTuple


class MergeRule(NamedTuple):
    """The rule, in the order in which it is applied. Overlaps are IoU of masks (of boxes where a
    label of the image has no mask)."""

    new_score: float = 0.5  # new labels of at least this score are kept
    # Previous labels of at least this score are kept too, if they overlap no kept new label of
    # their image and category by this much or more.
    previous_score: float = 0.0
    overlap: float = 0.5
    # Both overlaps count whatever the categories are: one name for each place.
    any_category: bool = False
    # Of labels of an image and category that overlap more than this, the best stays (NMS).
    max_overlap: float = 0.7
    per_image: int | None = 100  # the best so many of an image
    per_category: int | None = None  # the best so many of a category, over all images


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
