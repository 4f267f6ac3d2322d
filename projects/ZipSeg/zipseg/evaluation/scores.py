"""Average precision and recall of a set of detections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.coco_format import Detections, GroundTruth
from .matching import AREA_RANGES, Matches, MatchingRules, match
from .precision import average_precision, recall


@dataclass(frozen=True)
class Scores:
    """Scores of K categories at T IoU thresholds and A object sizes, in 0..1, NaN without objects.

    Attributes:
        names: the K categories.
        precision: float64 [A, T, K], average precision under its cap.
        recall: float64 [A, T, K], under the highest cap. capped_recall: cap -> float64 [T, K].
        matches: what the scores rest on.
    """

    names: tuple[str, ...]
    precision: np.ndarray
    recall: np.ndarray
    capped_recall: dict[int, np.ndarray]
    matches: Matches


def score(truth: GroundTruth, found: Detections, iou_type: str, rules: MatchingRules) -> Scores:
    """Scores detections; equal to pycocotools', lvis' and faster-coco-eval's to rounding.

    Args:
        iou_type: "bbox" or "segm".
    """
    matches = match(truth, found, iou_type, rules)
    sizes = range(len(AREA_RANGES))
    return Scores(
        matches.names,
        np.stack([average_precision(matches, area=a)[0] for a in sizes]),
        np.stack([recall(matches, area=a, cap=rules.caps[-1]) for a in sizes]),
        {cap: recall(matches, cap=cap) for cap in rules.caps},
        matches,
    )
