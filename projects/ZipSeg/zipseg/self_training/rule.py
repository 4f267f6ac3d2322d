"""The rule by which labels of two rounds are merged; ``merging`` applies it."""

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
