"""Which detections match which objects, at every IoU threshold and object size.

The rules are pycocotools' and the lvis package's, to the tie: detections of one image and category
claim objects in the order of their scores, each the free object of highest IoU, objects that do not
count (crowds, other sizes) only when none that counts is left. Libraries that do this fast keep the
matches to themselves; a bootstrap over images needs them, hence this module: all images and
categories advance together, one detection each a step, over the few pairs whose IoU reaches the
lowest threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from pycocotools import mask as mask_utils

from ..data.coco_format import Detections, GroundTruth
from ..utils.errors import ZipSegError

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREA_RANGES = {
    "all": (0.0, 1e5**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}
_PAIRS_AT_ONCE = 4_000_000


class MatchingRules(NamedTuple):
    """How detections are held against objects.

    Attributes:
        class_agnostic: categories do not matter.
        caps: ascending; recall is wanted for the best so many detections of an image (and category,
            if they matter); beyond the last none counts.
        ap_cap: the cap for precision.
        federated: LVIS's rules: the last cap is for an image over all categories; categories
            neither annotated in an image nor listed as absent from it are not judged there;
            unmatched detections of categories that are not exhaustively annotated do not count;
            there are no crowds.
    """

    class_agnostic: bool = False
    caps: tuple[int, ...] = (1, 10, 100)
    ap_cap: int = 100
    federated: bool = False


@dataclass(frozen=True)
class Matches:
    """D judged detections and G objects of I images, over A sizes and T thresholds.

    Detections are ordered by category, then falling score, ties by image and rank.

    Attributes:
        image_ids: int64 [I]. names: the K categories ("object" alone if class-agnostic).
        image, category: int32 [D], indices. rank: int32 [D], place by score in image and category.
        score: float64 [D].
        hit, ignored: bool [A, T, D]; the detection found an object that counts; it counts neither
            for nor against. Never both.
        truth_image, truth_category: int32 [G], indices. truth_ignored: bool [A, G].
        ap_cap: only detections of a rank below it count for precision.
    """

    image_ids: np.ndarray
    names: tuple[str, ...]
    image: np.ndarray
    category: np.ndarray
    rank: np.ndarray
    score: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    truth_image: np.ndarray
    truth_category: np.ndarray
    truth_ignored: np.ndarray
    ap_cap: int


def match(truth: GroundTruth, found: Detections, iou_type: str, rules: MatchingRules) -> Matches:
    """Match detections to objects.

    Detections of images or categories that ``truth`` does not hold are left out.

    Args:
        iou_type: "bbox" or "segm".

    Raises:
        ZipSegError: if ``iou_type`` is "segm" and the detections have no masks.
    """
    if iou_type == "segm" and found.masks is None and len(found.score):
        raise ZipSegError("mask evaluation needs results with a segmentation")
    num_categories = len(truth.category_ids)
    truth_image, truth_category = truth.image_index, truth.category_index
    objects = np.lexsort((truth_category, truth_image))
    truth_image, truth_category = truth_image[objects], truth_category[objects]

    rows = judged_rows(truth, found, iou_type, rules)
    image = np.searchsorted(truth.image_ids, found.image[rows])
    category = np.searchsorted(truth.category_ids, found.category[rows])
    group = image if rules.class_agnostic else image * num_categories + category
    order = np.lexsort((category, -found.score[rows], group))
    rank = rank_in_runs(group[order])
    if not rules.federated:
        order, rank = order[rank < rules.caps[-1]], rank[rank < rules.caps[-1]]
    rows, image, category, group = rows[order], image[order], category[order], group[order]

    truth_group = truth_image if rules.class_agnostic else truth_image * num_categories
    truth_group = truth_group + (0 if rules.class_agnostic else truth_category)
    low, high = np.array(list(AREA_RANGES.values())).T[..., None]
    crowd = truth.crowd[objects] & (not rules.federated)
    outside = (truth.area[objects] < low) | (truth.area[objects] > high)
    truth_ignored = outside | crowd
    pairs = _pairs(truth, found, iou_type, objects, rows, truth_group, group, crowd)
    matched, ignored = _claim(pairs, group, crowd, truth_ignored)

    area = areas(found, iou_type)[rows]
    does_not_count = (area < low) | (area > high)
    if rules.federated:
        does_not_count |= _among(
            truth, truth.not_exhaustive, truth.image_ids[image], truth.category_ids[category]
        )
    ignored |= ~matched & does_not_count[:, None]
    if rules.class_agnostic:
        category, truth_category = np.zeros_like(category), np.zeros_like(truth_category)
    score = found.score[rows]
    order = np.lexsort((-score, category))
    return Matches(
        truth.image_ids,
        ("object",) if rules.class_agnostic else truth.names,
        image[order].astype(np.int32),
        category[order].astype(np.int32),
        rank[order].astype(np.int32),
        score[order],
        (matched & ~ignored)[..., order],
        ignored[..., order],
        truth_image.astype(np.int32),
        truth_category.astype(np.int32),
        truth_ignored,
        rules.ap_cap,
    )


def judged_rows(
    truth: GroundTruth, found: Detections, iou_type: str, rules: MatchingRules
) -> np.ndarray:
    """Rows of ``found`` that the rules look at, before any cap within image and category: int64,
    ascending.

    They are of the images and categories that ``truth`` holds. Under LVIS's rules only those of an
    image's best so many that are not empty and whose category is annotated in the image or listed
    as absent from it.
    """
    known = np.isin(found.image, truth.image_ids) & np.isin(found.category, truth.category_ids)
    rows = np.flatnonzero(known)
    if not rules.federated:
        return rows
    rows = rows[np.lexsort((-found.score[rows], found.image[rows]))]
    rows = np.sort(rows[rank_in_runs(found.image[rows]) < rules.caps[-1]])
    image, category = found.image[rows], found.category[rows]
    verified = np.isin(truth.pair(image, category), truth.pair(truth.image, truth.category))
    verified |= _among(truth, truth.negative, image, category)
    return rows[verified & (areas(found, iou_type)[rows] > 0)]


def areas(found: Detections, iou_type: str) -> np.ndarray:
    """Float64 [D] in pixels: of the masks for "segm", of the boxes for "bbox"."""
    if iou_type != "segm":
        return found.box[:, 2] * found.box[:, 3]
    return np.zeros(len(found.score)) if found.masks is None else found.masks.areas()


def rank_in_runs(values: np.ndarray) -> np.ndarray:
    """[N] with equal values side by side -> place of each in its run, from 0: int64 [N]."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return np.arange(len(values)) - np.repeat(starts, np.diff(np.r_[starts, len(values)]))


def _among(
    truth: GroundTruth, pairs: np.ndarray, image: np.ndarray, category: np.ndarray
) -> np.ndarray:
    """bool [N], whether an image's and a category's id are one of the listed pairs, int64 [*, 2],
    those of unlisted categories aside."""
    pairs = pairs[np.isin(pairs[:, 1], truth.category_ids)]
    return np.isin(truth.pair(image, category), truth.pair(*pairs.T))


class _Pairs(NamedTuple):
    """Detection, object (places in the sorted order) and IoU of P pairs that could match."""

    detection: np.ndarray
    object: np.ndarray
    iou: np.ndarray


def _pairs(
    truth: GroundTruth,
    found: Detections,
    iou_type: str,
    objects: np.ndarray,
    rows: np.ndarray,
    truth_group: np.ndarray,
    group: np.ndarray,
    crowd: np.ndarray,
) -> _Pairs:
    first = np.searchsorted(truth_group, group, "left")
    count = np.searchsorted(truth_group, group, "right") - first
    parts = [_Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for span in _spans(group, count):
        some = np.arange(span.start, span.stop)
        detection = np.repeat(some, count[some])
        offset = np.cumsum(count[some]) - count[some]
        place = np.arange(len(detection)) + np.repeat(first[some] - offset, count[some])
        if iou_type == "bbox":
            box, other = found.box[rows[detection]], truth.box[objects[place]]
            iou = _box_iou(box, other, crowd[place])
        else:
            iou = _mask_iou(truth, found, objects, rows, group[some], some, first, count, crowd)
        near = iou >= IOU_THRESHOLDS[0]
        parts.append(_Pairs(detection[near], place[near], iou[near]))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _spans(group: np.ndarray, count: np.ndarray) -> Iterator[slice]:
    """Cuts between groups so that no span has many more than ``_PAIRS_AT_ONCE`` pairs."""
    if not len(group):
        return
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    before = (np.cumsum(count) - count)[starts] // _PAIRS_AT_ONCE
    cuts = starts[np.r_[True, before[1:] != before[:-1]]]
    for start, stop in zip(cuts, np.r_[cuts[1:], len(group)], strict=True):
        yield slice(start, stop)


def _box_iou(box: np.ndarray, other: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU [P] of XYWH boxes [P, 4]; with a crowd, the intersection's share of the first box."""
    overlap = np.minimum(box[:, :2] + box[:, 2:], other[:, :2] + other[:, 2:])
    overlap = (overlap - np.maximum(box[:, :2], other[:, :2])).clip(0).prod(1)
    area = box[:, 2] * box[:, 3]
    union = np.where(crowd, area, area + other[:, 2] * other[:, 3] - overlap)
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=overlap > 0)


def _mask_iou(truth, found, objects, rows, group, some, first, count, crowd) -> np.ndarray:
    """IoU of all pairs of the detections ``some``, detection-major, as ``_pairs`` lays them out."""
    cuts = np.flatnonzero(np.r_[True, group[1:] != group[:-1], True])
    parts = [np.zeros(0)]
    for start, stop in pairwise(cuts):
        head = some[start]
        places = np.arange(first[head], first[head] + count[head])
        if len(places):
            ours = [found.masks[i] for i in rows[some[start:stop]]]
            theirs = [truth.rles[i] for i in objects[places]]
            iou = mask_utils.iou(ours, theirs, crowd[places].astype(np.uint8).tolist())
            parts.append(np.asarray(iou).ravel())
    return np.concatenate(parts)


def _claim(
    pairs: _Pairs, group: np.ndarray, crowd: np.ndarray, truth_ignored: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Let detections claim objects, best score first -> matched, ignored: bool [A, T, D]."""
    num_areas, num_objects = truth_ignored.shape
    shape = (num_areas, len(IOU_THRESHOLDS))
    matched, ignored = np.zeros((2, *shape, len(group)), dtype=bool)
    order = np.lexsort((-pairs.object, -pairs.iou, pairs.detection))
    detection, candidate, iou = (column[order] for column in pairs)
    if not len(detection):
        return matched, ignored
    # One row a detection, its candidate objects from best to worst; padding has an IoU of -1.
    column = rank_in_runs(detection)
    claimant, row = np.unique(detection, return_inverse=True)
    choice = np.zeros((len(claimant), column.max() + 1), dtype=np.int64)
    choice[row, column] = candidate
    overlap = np.full(choice.shape, -1.0)
    overlap[row, column] = iou
    turn = rank_in_runs(group[claimant])
    by_turn = np.argsort(turn, kind="stable")
    taken = np.zeros((*shape, num_objects), dtype=bool)
    area = np.arange(num_areas)[:, None, None]
    for some in np.split(by_turn, np.searchsorted(turn[by_turn], np.arange(1, turn.max() + 1))):
        mine = choice[some]
        free = (~taken[:, :, mine] | crowd[mine]) & (overlap[some] >= IOU_THRESHOLDS[:, None, None])
        counts = free & ~truth_ignored[:, None, mine]
        best = np.where(counts.any(-1), counts.argmax(-1), free.argmax(-1))
        hit = free.any(-1)
        claimed = mine[np.arange(len(some)), best]
        a, t, n = np.nonzero(hit)
        taken[a, t, claimed[a, t, n]] = True
        matched[:, :, claimant[some]] = hit
        ignored[:, :, claimant[some]] = hit & truth_ignored[area, claimed]
    return matched, ignored
