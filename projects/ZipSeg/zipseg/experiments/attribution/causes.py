"""Where objects get lost: every annotated object is found, or lost at exactly one stage of Zip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from ...data.coco_format import GroundTruth
from ...evaluation.matching import AREA_RANGES
from ...utils.errors import ZipSegError
from .stage_records import StageRecord

FOUND = "found"
_CLUSTERING = ("joined", "leaked")
_REGROUPING = ("merged", "spread", "split", "missed")  # and selection
CAUSES = ("classification", "activation", *_CLUSTERING, *_REGROUPING, "masks", "scoring")
# What each fate means, in the words of the report; "its" is the object's.
MEANINGS = {
    FOUND: "an instance of its name has a mask IoU of at least 0.5 with it",
    "classification": "its name was not judged present in the image",
    "activation": "too little of it was activated for its name: no more than the share that "
    "selection asks of a fragment, or with the watershed, whose objects lie within what is "
    "activated, less than half",
    "joined": "clustering: no union of pieces (fragments, or the watershed's basins) has an IoU of "
    "0.5 with it, as its main piece runs on mostly over other objects of its name",
    "leaked": "clustering: the same, but its main piece runs on mostly over ground or objects of "
    "other names (too much is activated, and no boundary was found)",
    "merged": "regrouping: a prompt covers it together with another object of its name",
    "spread": "regrouping: a prompt covers it and goes far beyond, over ground or objects of other "
    "names",
    "split": "regrouping: prompts lie within its box, all too small",
    "missed": "regrouping: pieces could have made it up, but no prompt of its name is near",
    "masks": "a prompt of its name has a box IoU of at least 0.5 with it, but no mask fits",
    "scoring": "a mask fits, but score, duplicate removal or the cap removed it",
}
_ENOUGH = 0.5  # IoU from which an object counts as found, box from which a prompt counts as right


class Fate(NamedTuple):
    """What became of one annotated object.

    Attributes:
        image_id: its image.
        row: its row in the ``GroundTruth``.
        name: its category.
        area: pixels.
        cause: ``FOUND`` or one of ``CAUSES``.
    """

    image_id: int
    row: int
    name: str
    area: float
    cause: str


def find_fates(truth: GroundTruth, records: Iterable[StageRecord]) -> list[Fate]:
    """The fate of every object (but crowds and empty masks) of the images that have a record.

    Raises:
        ZipSegError: if a record is of an image that ``truth`` lacks or of another size.
    """
    names = dict(zip(truth.category_ids.tolist(), truth.names, strict=True))
    sizes = dict(zip(truth.image_ids.tolist(), truth.size.tolist(), strict=True))
    fates = []
    for record in records:
        size = sizes.get(record.image_id)
        if size is None or tuple(size) != record.mask.shape[1:]:
            raise ZipSegError(
                f"the stage record of image {record.image_id} does not fit the annotations: "
                f"{record.mask.shape[1:]} against {size}"
            )
        rows = np.flatnonzero((truth.image == record.image_id) & ~truth.crowd)
        rows = rows[[bool(mask_utils.area(truth.rles[row])) for row in rows]]
        masks = decode([truth.rles[row] for row in rows], *size)
        called = [names[identity] for identity in truth.category[rows].tolist()]
        causes = attribute(record, masks, called)
        areas = truth.area[rows].tolist()
        fates += map(Fate, [record.image_id] * len(rows), rows.tolist(), called, areas, causes)
    return fates


def attribute(record: StageRecord, masks: np.ndarray, names: Sequence[str]) -> list[str]:
    """Of each object of one image, the stage that lost it.

    Judged from the end: an object is found if an instance of its name has an IoU of 0.5 with it,
    lost at scoring if only a mask before scoring has, and at the masks if only a prompt's box has.
    If no prompt was right, the first stage is to blame that made one impossible: classification,
    activation, clustering, else selection and regrouping. ``MEANINGS`` defines each; what is handed
    out besides the objects (false positives) costs precision and is no loss here.

    Args:
        masks: the objects, bool [G, H, W], none empty.
        names: their G categories.

    Returns:
        G times ``FOUND`` or one of ``CAUSES``.
    """
    names = np.asarray(names, dtype=str)
    found = _has_match(record.final_mask, record.final_name, masks, names)
    proposed = record.present[record.object_name] if len(record.object_name) else np.zeros(0, str)
    masked = _has_match(record.mask, proposed, masks, names)
    boxes = _boxes(masks)
    place = {name: index for index, name in enumerate(record.present.tolist())}
    causes = []
    for index, name in enumerate(names.tolist()):
        ours = record.object_box[record.object_name == place.get(name, -1)]
        if found[index]:
            causes.append(FOUND)
        elif masked[index]:
            causes.append("scoring")
        elif name not in place:
            causes.append("classification")
        elif (_box_iou(ours, boxes[index]) >= _ENOUGH).any():
            causes.append("masks")
        else:
            same = names == name
            neighbours = masks[same].any(0) & ~masks[index]
            causes.append(
                _lost_before_selection(record, place[name], masks[index], neighbours)
                or _lost_in_regrouping(ours, boxes[index], boxes[same])
            )
    return causes


def decode(rles: Sequence[dict], height: int, width: int) -> np.ndarray:
    """G compressed RLEs -> bool [G, H, W]."""
    if not rles:
        return np.zeros((0, height, width), dtype=bool)
    return np.ascontiguousarray(mask_utils.decode(list(rles)).transpose(2, 0, 1)).astype(bool)


def summarise(fates: Sequence[Fate]) -> dict[str, dict[str, float]]:
    """Percent of the objects by fate: {"all" or size or "category: name": {fate: percent}}.

    Every entry adds up to 100 and also has "objects", their number; groups without any are absent.
    """
    groups: dict[str, list[Fate]] = {"all": list(fates)}
    for size, (low, high) in list(AREA_RANGES.items())[1:]:
        groups[size] = [fate for fate in fates if low <= fate.area < high]
    for name in sorted({fate.name for fate in fates}):
        groups[f"category: {name}"] = [fate for fate in fates if fate.name == name]
    return {key: _percent(members) for key, members in groups.items() if members}


def largest_causes(summary: Mapping[str, Mapping[str, float]], count: int = 3) -> list[str]:
    """The causes that lose most objects, worst first; those that lose none are left out."""
    lost = sorted(CAUSES, key=lambda cause: -summary["all"][cause])
    return [cause for cause in lost[:count] if summary["all"][cause] > 0]


def _percent(members: Sequence[Fate]) -> dict[str, float]:
    causes = [fate.cause for fate in members]
    shares = {key: 100 * causes.count(key) / len(causes) for key in (FOUND, *CAUSES)}
    return {"objects": len(members), **shares}


def _has_match(
    proposals: np.ndarray, proposed: np.ndarray, masks: np.ndarray, names: np.ndarray
) -> np.ndarray:
    """Which of the masks [G, H, W] some proposal [N, H, W] of the same name matches: bool [G]."""
    pixels = masks.shape[1] * masks.shape[2]
    ours = proposals.reshape(-1, pixels).astype(np.float32)
    theirs = masks.reshape(-1, pixels).astype(np.float32)
    overlap = ours @ theirs.T
    union = ours.sum(1)[:, None] + theirs.sum(1) - overlap
    return ((overlap >= _ENOUGH * union) & (proposed[:, None] == names)).any(0)


def _lost_before_selection(
    record: StageRecord, name: int, mask: np.ndarray, neighbours: np.ndarray
) -> str:
    """ "activation", "joined", "leaked", or "" if pieces could make the object.

    Args:
        name: its place in ``record.present``.
        mask, neighbours: the object and all others of its name, bool [H, W].
    """
    active = record.active[name]
    inside = _on_grid(mask, active.shape)
    if inside[active].sum() <= record.needed * inside.sum():
        return "activation"
    pieces = (record.pieces[name if len(record.pieces) > 1 else 0] + 1).ravel()
    area = np.bincount(pieces)
    overlap = np.bincount(pieces, weights=inside.ravel())
    area[0] = overlap[0] = 0
    # The union of pieces with the best IoU takes them in the order of their share inside.
    order = np.argsort(-overlap / np.maximum(area, 1))
    together, size = overlap[order].cumsum(), area[order].cumsum()
    if (together / (inside.sum() + size - together)).max() >= _ENOUGH:
        return ""
    main = overlap.argmax()
    surplus = area[main] - overlap[main]
    beside = _on_grid(neighbours, active.shape).ravel()[pieces == main].sum()
    return "joined" if beside > surplus / 2 else "leaked"


def _on_grid(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The share of each cell that a mask [H, W] covers: float32 [h, w]."""
    return cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)


def _lost_in_regrouping(ours: np.ndarray, box: np.ndarray, others: np.ndarray) -> str:
    """Why no box of ``ours`` [N, 4] is the object's; ``others`` are all objects of its name."""
    covered = _box_overlap(ours, box[None])[:, 0]
    around = covered >= _ENOUGH * _area(box[None])
    takes_in = _box_overlap(ours[around], others) >= _ENOUGH * _area(others)
    if (takes_in.sum(1) > 1).any():
        return "merged"
    if around.any():
        return "spread"
    return "split" if (covered >= _ENOUGH * _area(ours)).any() else "missed"


def _box_iou(ours: np.ndarray, box: np.ndarray) -> np.ndarray:
    """IoU of boxes [N, 4] with one [4]: [N]."""
    covered = _box_overlap(ours, box[None])[:, 0]
    return covered / (_area(ours) + _area(box[None]) - covered)


def _boxes(masks: np.ndarray) -> np.ndarray:
    """Tight boxes float64 [G, 4], XYXY with exclusive ends, of masks that are not empty."""
    across, down = masks.any(1), masks.any(2)
    ends = [line.shape[1] - line[:, ::-1].argmax(1) for line in (across, down)]
    columns = [across.argmax(1), down.argmax(1), *ends]
    return np.stack(columns, axis=1).astype(float)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def _box_overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[N, 4] and [G, 4] XYXY -> area of the intersections [N, G]."""
    low = np.maximum(boxes[:, None, :2], others[:, :2])
    return (np.minimum(boxes[:, None, 2:], others[:, 2:]) - low).clip(0).prod(-1)
