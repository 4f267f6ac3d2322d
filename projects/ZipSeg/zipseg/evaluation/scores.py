"""Average precision and recall of a set of detections by one of three interchangeable backends."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns import Detections, GroundTruth
from .matching import AREA_RANGES, Matches, MatchRules, judged_rows, match
from .precision import average_precision, recall

BACKENDS = ("vectorized", "faster_coco_eval", "pycocotools")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scores:
    """Scores of K categories at T IoU thresholds and A object sizes, in 0..1, NaN without objects.

    Attributes:
        names: the K categories.
        precision: float64 [A, T, K], average precision under its cap.
        recall: float64 [A, T, K], under the highest cap. capped_recall: cap -> float64 [T, K].
        matches: what the scores rest on; None if the backend does not tell.
    """

    names: tuple[str, ...]
    precision: np.ndarray
    recall: np.ndarray
    capped_recall: dict[int, np.ndarray]
    matches: Matches | None


def score(
    truth: GroundTruth,
    found: Detections,
    iou_type: str,
    rules: MatchRules,
    backend: str = "vectorized",
) -> Scores:
    """Score detections.

    Args:
        iou_type: "bbox" or "segm".
        backend: "vectorized" (this package), or the "faster_coco_eval" or "pycocotools" library
            (the latter without LVIS's rules). All agree to rounding.
    """
    if backend != "vectorized":
        return _library_scores(backend, truth, found, iou_type, rules)
    matches = match(truth, found, iou_type, rules)
    areas = range(len(AREA_RANGES))
    return Scores(
        matches.names,
        np.stack([average_precision(matches, area=a)[0] for a in areas]),
        np.stack([recall(matches, area=a, cap=rules.caps[-1]) for a in areas]),
        {cap: recall(matches, cap=cap) for cap in rules.caps},
        matches,
    )


def _library_scores(
    backend: str,
    truth: GroundTruth,
    found: Detections,
    iou_type: str,
    rules: MatchRules,
) -> Scores:
    if backend == "faster_coco_eval":
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as COCOeval
    else:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        apis = []
        for annotations in (_objects(truth, iou_type), _results(truth, found, iou_type, rules)):
            apis.append(COCO())
            apis[-1].dataset = {**_catalogue(truth), "annotations": annotations}
            apis[-1].createIndex()
        options = {"lvis_style": True} if rules.federated else {}
        evaluation = COCOeval(*apis, iou_type, **options)
        evaluation.params.useCats = int(not rules.class_agnostic)
        evaluation.params.maxDets = list(rules.caps)
        evaluation.evaluate()
        evaluation.accumulate()
    precision, found_share = (
        np.where(evaluation.eval[key] < 0, np.nan, evaluation.eval[key])
        for key in ("precision", "recall")
    )
    precision = precision[..., list(rules.caps).index(rules.ap_cap)].mean(1)
    return Scores(
        ("object",) if rules.class_agnostic else truth.names,
        np.moveaxis(precision, 2, 0),
        np.moveaxis(found_share[..., -1], 2, 0),
        {cap: found_share[:, :, 0, i] for i, cap in enumerate(rules.caps)},
        None,
    )


def _catalogue(truth: GroundTruth) -> dict[str, list[dict[str, Any]]]:
    ids = truth.category_ids
    images = [
        {
            "id": i,
            "height": h,
            "width": w,
            "neg_category_ids": ids[negative].tolist(),
            "not_exhaustive_category_ids": ids[inexhaustive].tolist(),
        }
        for i, (h, w), negative, inexhaustive in zip(
            truth.image_ids.tolist(),
            truth.size.tolist(),
            truth.negative,
            truth.not_exhaustive,
            strict=True,
        )
    ]
    categories = [
        {"id": i, "name": name, "frequency": frequency or "f"}
        for i, name, frequency in zip(ids.tolist(), truth.names, truth.frequency, strict=True)
    ]
    return {"images": images, "categories": categories}


def _objects(truth: GroundTruth, iou_type: str) -> list[dict]:
    columns = truth.image, truth.category, truth.box, truth.area, truth.crowd.astype(int)
    masks = truth.rles if iou_type == "segm" else [None] * len(truth.area)
    return _annotations(columns, masks, [None] * len(truth.area))


def _results(truth: GroundTruth, found: Detections, iou_type: str, rules: MatchRules) -> list[dict]:
    rows = judged_rows(truth, found, iou_type, rules)
    masks = [found.rles[i] for i in rows] if iou_type == "segm" and found.rles else rows
    columns = (
        found.image,
        found.category,
        found.box,
        found.area(iou_type),
        np.zeros_like(found.image),
    )
    return _annotations([column[rows] for column in columns], masks, found.score[rows].tolist())


def _annotations(columns: Sequence[np.ndarray], masks: Sequence, scores: Sequence) -> list[dict]:
    keys = "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "score", "id"
    values = [column.tolist() for column in columns], masks, scores, range(1, len(masks) + 1)
    rows = zip(*values[0], *values[1:], strict=True)
    return [dict(zip(keys, row, strict=True)) for row in rows]
