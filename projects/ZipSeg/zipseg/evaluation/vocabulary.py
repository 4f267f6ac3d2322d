"""The split of categories that open-vocabulary detection is measured on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..utils.errors import ZipSegError

# fmt: off
# Bansal et al., "Zero-shot object detection", ECCV 2018, as used since Zareian et al.,
# "Open-vocabulary object detection using captions" (OVR-CNN), CVPR 2021: 48 base and 17 novel of
# COCO's 80 categories; the other 15 are left out.
COCO_BASE = (
    "person", "bicycle", "car", "motorcycle", "train", "truck", "boat", "bench", "bird", "horse",
    "sheep", "bear", "zebra", "giraffe", "backpack", "handbag", "suitcase", "frisbee", "skis",
    "kite", "surfboard", "bottle", "fork", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "pizza", "donut", "chair", "bed", "toilet", "tv", "laptop", "mouse",
    "remote", "microwave", "oven", "toaster", "refrigerator", "book", "clock", "vase", "toothbrush",
)
COCO_NOVEL = (
    "airplane", "bus", "cat", "dog", "cow", "elephant", "umbrella", "tie", "snowboard",
    "skateboard", "cup", "knife", "cake", "couch", "keyboard", "sink", "scissors",
)
# fmt: on


class VocabularySplit(NamedTuple):
    """Names that a detector may have seen annotations of, and names it has not."""

    base: tuple[str, ...]
    novel: tuple[str, ...]


def split_vocabulary(
    names: Sequence[str], unseen: Iterable[str] = (), source: str = "the data set"
) -> VocabularySplit:
    """The split of a data set: ``unseen`` against the rest if given, else COCO's 48 and 17.

    Raises:
        ZipSegError: if neither applies to ``names``.
    """
    novel = frozenset(unseen) or frozenset(COCO_NOVEL)
    base = frozenset(names) - novel if unseen else frozenset(COCO_BASE)
    if missing := (base | novel) - frozenset(names):
        raise ZipSegError(
            f"no open-vocabulary split for {source}: it lacks {sorted(missing)[:3]}; the protocol "
            "needs COCO's category names, or `unseen_names` in the data set's metadata"
        )
    return VocabularySplit(
        tuple(name for name in names if name in base),
        tuple(name for name in names if name in novel),
    )
