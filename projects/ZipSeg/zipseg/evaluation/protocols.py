"""The protocols of the literature: which rules, which numbers, under which names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..data.coco_format import Detections, GroundTruth
from .matching import Matches, MatchingRules
from .scores import Scores, score
from .vocabulary import split_vocabulary

_SIZES = ("s", "m", "l")
_RULES = {
    "coco": MatchingRules(),
    "class_agnostic": MatchingRules(class_agnostic=True, caps=(1, 10, 100, 1000)),
    "open_vocabulary": MatchingRules(),
    "lvis": MatchingRules(federated=True, caps=(300,), ap_cap=300),
}
PROTOCOLS = tuple(_RULES)


@dataclass(frozen=True)
class Evaluation:
    """The outcome of one protocol for boxes or masks.

    Attributes:
        metrics: name -> percentage, NaN where there is nothing to measure.
        per_category: category -> AP in percent.
        groups: ending of a metric's name -> the categories that it averages over.
        matches: what a bootstrap needs.
    """

    metrics: Mapping[str, float]
    per_category: Mapping[str, float]
    groups: Mapping[str, tuple[str, ...]]
    matches: Matches


def evaluate(
    protocol: str,
    truth: GroundTruth,
    found: Detections,
    iou_type: str,
    *,
    unseen: Iterable[str] = (),
) -> Evaluation:
    """Evaluate by one of ``PROTOCOLS``.

    - coco: AP, AP50, AP75, AP and AR by size, AR@1/10/100 (cocodataset.org).
    - class_agnostic: the same without categories and with AR@1000 (CutLER; SAM).
    - open_vocabulary: AP and AP50 of novel, base and all categories in the generalised setting: a
      detector predicts among all of them at once; categories outside the split, and images without
      objects of the split, are left out (Bansal et al.; OVR-CNN).
    - lvis: AP, APr, APc, APf under LVIS v1's federated rules and cap of 300.

    Args:
        iou_type: "bbox" or "segm".
        unseen: names of novel categories, for data sets other than COCO.
    """
    if protocol == "open_vocabulary":
        return _open_vocabulary(truth, found, iou_type, unseen)
    scores = score(truth, found, iou_type, _RULES[protocol])
    metrics = _precision_metrics(scores)
    groups: dict[str, tuple[str, ...]] = {}
    if protocol == "lvis":
        names, frequency = np.array(truth.names), np.array(truth.frequency)
        groups = {f: tuple(names[frequency == f].tolist()) for f in "rcf"}
        metrics |= {f"AP{f}": _mean(scores.precision[0][:, frequency == f]) for f in "rcf"}
    metrics |= {f"AR@{cap}": _mean(values) for cap, values in scores.capped_recall.items()}
    metrics |= {
        f"AR{s}@{max(scores.capped_recall)}": _mean(scores.recall[a])
        for a, s in enumerate(_SIZES, start=1)
    }
    per_category = {} if protocol == "class_agnostic" else _per_category(scores)
    return Evaluation(metrics, per_category, groups, scores.matches)


def _open_vocabulary(
    truth: GroundTruth, found: Detections, iou_type: str, unseen: Iterable[str]
) -> Evaluation:
    split = split_vocabulary(truth.names, unseen)
    everything = split.base + split.novel
    groups = {"_novel": split.novel, "_base": split.base, "_all": everything}
    truth = truth.select_categories(everything)
    truth = truth.select_images(truth.image)
    scores = score(truth, found, iou_type, _RULES["open_vocabulary"])
    metrics = {}
    for group, names in groups.items():
        members = scores.precision[0][:, np.isin(scores.names, names)]
        metrics |= {f"AP50{group}": _mean(members[0]), f"AP{group}": _mean(members)}
    return Evaluation(metrics, _per_category(scores), groups, scores.matches)


def _precision_metrics(scores: Scores) -> dict[str, float]:
    everything = scores.precision[0]
    return {
        "AP": _mean(everything),
        "AP50": _mean(everything[0]),
        "AP75": _mean(everything[5]),
        **{f"AP{s}": _mean(scores.precision[a]) for a, s in enumerate(_SIZES, start=1)},
    }


def _per_category(scores: Scores) -> dict[str, float]:
    return {name: _mean(scores.precision[0][:, k]) for k, name in enumerate(scores.names)}


def _mean(values: np.ndarray) -> float:
    """Mean of what is not NaN, in percent; NaN if nothing is."""
    values = values[~np.isnan(values)]
    return float(values.mean() * 100) if values.size else float("nan")
