"""Average precision and recall from matches, with a weight for every image.

With all weights one these are COCO's numbers; with the counts of a resample of the images they are
that resample's, so evaluation and bootstrap share one definition.
"""

from __future__ import annotations

import numpy as np

from .matching import Matches

RECALL_LEVELS = np.linspace(0.0, 1.0, 101)
_VALUES_AT_ONCE = 20_000_000


def average_precision(
    matches: Matches, *, area: int = 0, weight: np.ndarray | None = None
) -> np.ndarray:
    """101-point interpolated average precision of every category and threshold.

    Args:
        area: index into ``matching.AREA_RANGES``.
        weight: non-negative counts [B, I], how often each image occurs in each of B samples; one
            sample with every image once if None.

    Returns:
        float64 [B, T, K] in 0..1; NaN for a category without objects (in that sample).
    """
    if weight is None:
        weight = np.ones((1, len(matches.image_ids)))
    hit, ignored, image, starts = _counting(matches, area, matches.ap_cap)
    result = np.full((len(weight), len(hit), len(matches.names)), np.nan)
    for category, places in enumerate(_objects_by_category(matches, area)):
        objects = weight[:, matches.truth_image[places]].sum(1)
        rows = slice(starts[category], starts[category + 1])
        step = max(1, _VALUES_AT_ONCE // max(1, rows.stop - rows.start))
        for start in range(0, len(weight) if len(places) else 0, step):
            part = slice(start, start + step)
            result[part, :, category] = _interpolated(
                hit[:, rows], ignored[:, rows], weight[part, image[rows]], objects[part]
            )
    return result


def recall(matches: Matches, *, area: int = 0, cap: int) -> np.ndarray:
    """Share of the objects that the best ``cap`` detections find: float64 [T, K], NaN if none."""
    hit, _, _, starts = _counting(matches, area, cap)
    before = np.cumsum(np.c_[np.zeros(len(hit), dtype=np.int32), hit], axis=1, dtype=np.int32)
    objects = np.array([len(places) for places in _objects_by_category(matches, area)])
    with np.errstate(invalid="ignore"):
        return np.where(objects > 0, np.diff(before[:, starts], axis=1) / objects, np.nan)


def _counting(
    matches: Matches, area: int, cap: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """hit, ignored [T, n], image [n] of detections under the cap, starts [K + 1] of categories."""
    hit, ignored = matches.hit[area], matches.ignored[area]
    image, category = matches.image, matches.category
    keep = matches.rank < cap
    if not keep.all():
        hit, ignored, image, category = hit[:, keep], ignored[:, keep], image[keep], category[keep]
    starts = np.searchsorted(category, np.arange(len(matches.names) + 1))
    return hit, ignored, image, starts


def _objects_by_category(matches: Matches, area: int) -> list[np.ndarray]:
    """Of each of the K categories, the places of the objects that count."""
    counting = np.flatnonzero(~matches.truth_ignored[area])
    category = matches.truth_category[counting]
    order = np.argsort(category, kind="stable")
    cuts = np.searchsorted(category[order], np.arange(1, len(matches.names)))
    return np.split(counting[order], cuts)


def _interpolated(
    hit: np.ndarray, ignored: np.ndarray, weight: np.ndarray, objects: np.ndarray
) -> np.ndarray:
    """hit, ignored [T, n] by falling score, weight [B, n], objects [B] -> precision [B, T].

    Interpolated precision only changes at hits, so each hit's envelope is multiplied by the number
    of recall levels that the hit is the first to reach.
    """
    result = np.zeros((len(weight), len(hit)))
    seen = np.cumsum(weight, axis=1)
    for threshold in np.flatnonzero(hit.any(1)):
        hits, ignores = np.flatnonzero(hit[threshold]), np.flatnonzero(ignored[threshold])
        skipped = np.cumsum(np.c_[np.zeros(len(weight)), weight[:, ignores]], axis=1)
        judged = seen[:, hits] - skipped[:, np.searchsorted(ignores, hits)]
        true = np.cumsum(weight[:, hits], axis=1)
        envelope = true / (judged + np.spacing(1))
        envelope = np.maximum.accumulate(envelope[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALL_LEVELS, true / objects.clip(1)[:, None], side="right")
        levels = np.diff(reached, axis=1, prepend=0)
        result[:, threshold] = (envelope * levels).sum(1) / len(RECALL_LEVELS)
    result[objects == 0] = np.nan
    return result
