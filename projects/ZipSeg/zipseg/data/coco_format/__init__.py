"""The one reader of COCO-format truth, labels and results, with one set of rules.

It needs neither torch nor Detectron2, holds a few megabytes of a file's text at a time, and keeps
what it reads in arrays.

- ``rules``: what is mended, each kind with its count in one warning line, and what is warned of.
- ``entries`` and ``segmentation``: how an entry is mended, or refused by its number and field.
- ``reading`` over ``stream``, ``runs``, ``masks`` and ``columns``: whole files of any size.
- ``matching``: which image of one file is which of another's.
- ``boxes``: boxes that contradict their masks.
"""

from .columns import Detections, GroundTruth
from .labels import read_annotations, read_entries, read_labels, write_labels, write_list
from .masks import Masks
from .matching import match_images, same_images
from .opening import FormatError, NoAnnotations
from .reading import (
    check_masks,
    read_results,
    read_truth,
    results_from,
    truth_from,
)

__all__ = [
    "Detections",
    "FormatError",
    "GroundTruth",
    "Masks",
    "NoAnnotations",
    "check_masks",
    "match_images",
    "read_annotations",
    "read_entries",
    "read_labels",
    "read_results",
    "read_truth",
    "results_from",
    "same_images",
    "truth_from",
    "write_labels",
    "write_list",
]
