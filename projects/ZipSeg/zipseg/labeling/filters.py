"""Which pseudo-labels to keep: score, size, near-duplicates, caps; and the balance they leave."""

from typing import NamedTuple

import numpy as np
from pycocotools import mask as mask_util

from ..utils.tables import markdown
from .errors import LabelingError


class Selection(NamedTuple):
    """The rules, applied in this order; the defaults keep everything.

    Labels are ranked by falling score, then by their order in the file.
    """

    min_score: float = 0.0
    min_area: float = 0.0  # pixels
    # Of labels of one category and image whose masks overlap more than this (IoU), the best stays.
    max_overlap: float = 1.0
    per_image: int | None = None  # the best so many of an image
    per_category: int | None = None  # the best so many of a category, over all images
    # ``max_overlap`` counts between labels of any category: one name for each place.
    any_category: bool = False

    def check(self) -> None:
        """Raises LabelingError for a rule outside of its range."""
        for name, low, high in (
            ("min_score", 0, 1),
            ("min_area", 0, float("inf")),
            ("max_overlap", 0, 1),
            ("per_image", 1, float("inf")),
            ("per_category", 1, float("inf")),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise LabelingError(
                    f"--{name.replace('_', '-')}: {value} is not in {low} .. {high}"
                )


def select(labels: dict, rules: Selection) -> dict:
    """The COCO-format dict with the annotations that pass; all images and the order stay.

    Args:
        labels: as ``read_labels`` returns them.

    Raises:
        LabelingError: a rule outside of its range.
    """
    rules.check()
    annotations = labels["annotations"]
    score, area, image, category = (
        np.array([a[key] for a in annotations], dtype)
        for key, dtype in (
            ("score", float),
            ("area", float),
            ("image_id", int),
            ("category_id", int),
        )
    )
    rows = np.flatnonzero((score >= rules.min_score) & (area >= rules.min_area))
    rows = rows[np.argsort(-score[rows], kind="stable")]
    if rules.max_overlap < 1:
        group = np.zeros_like(category) if rules.any_category else category
        rows = _without_duplicates(rows, annotations, image, group, rules.max_overlap)
    for key, cap in ((image, rules.per_image), (category, rules.per_category)):
        if cap is not None:
            rows = rows[_rank(key[rows]) < cap]
    return {**labels, "annotations": [annotations[row] for row in np.sort(rows)]}


def _rank(key: np.ndarray) -> np.ndarray:
    """For each element, how many equal ones come before it: int64 [N]."""
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=np.nan))
    rank = np.empty(len(key), np.int64)
    rank[order] = np.arange(len(key)) - np.repeat(first, np.diff(first, append=len(key)))
    return rank


def _without_duplicates(
    rows: np.ndarray,
    annotations: list[dict],
    image: np.ndarray,
    kind: np.ndarray,
    max_overlap: float,
) -> np.ndarray:
    """The ranked rows without those that a better row of their image and kind covers."""
    order = np.lexsort((kind[rows], image[rows]))  # stable: the rank stays within a group
    change = np.diff(image[rows][order]) | np.diff(kind[rows][order])
    keep = np.ones(len(rows), bool)
    for group in np.split(order, np.flatnonzero(change) + 1):
        if len(group) < 2:
            continue
        overlaps = _overlaps([annotations[row] for row in rows[group]]) > max_overlap
        for n in range(1, len(group)):
            keep[group[n]] = not (overlaps[n, :n] & keep[group[:n]]).any()
    return rows[keep]


def _overlaps(annotations: list[dict]) -> np.ndarray:
    """IoU [N, N] of masks, or of boxes where any has no mask."""
    masks = [a.get("segmentation") for a in annotations]
    shapes = masks if all(masks) else np.array([a["bbox"] for a in annotations], float)
    return mask_util.iou(shapes, shapes, [0] * len(annotations))


class Balance(NamedTuple):
    """How labels spread over C categories."""

    names: list[str]
    labels: np.ndarray  # int64 [C]
    images: np.ndarray  # int64 [C], with at least one label of the category
    evenness: float  # entropy of the labels over log C: 1 even, 0 all in one category


def balance(labels: dict) -> Balance:
    """Counts each category of a COCO-format dict."""
    ids = np.array([c["id"] for c in labels["categories"]], np.int64)
    order = np.argsort(ids)
    pairs = np.array([(a["category_id"], a["image_id"]) for a in labels["annotations"]], np.int64)
    pairs = pairs.reshape(-1, 2)

    def count(values: np.ndarray) -> np.ndarray:
        found = np.bincount(np.searchsorted(ids[order], values), minlength=len(ids))
        result = np.empty_like(found)
        result[order] = found
        return result

    each = count(pairs[:, 0])
    share = each[each > 0] / max(each.sum(), 1)
    entropy = -float((share * np.log(share)).sum())
    evenness = entropy / np.log(len(ids)) if len(ids) > 1 else 1.0
    names = [c["name"] for c in labels["categories"]]
    return Balance(names, each, count(np.unique(pairs, axis=0)[:, 0]), evenness)


def balance_table(before: Balance, after: Balance, rows: int = 30) -> str:
    """A Markdown table of the most frequent categories before and after, and the totals."""
    order = np.argsort(-after.labels, kind="stable")
    lines: list[list] = [
        [after.names[i], f"{before.labels[i]:,}", f"{after.labels[i]:,}", f"{after.images[i]:,}"]
        for i in order[:rows]
    ]
    if len(order) > rows:
        lines.append([f"... {len(order) - rows} more", None, None, None])
    lines.append(["**all**", f"{before.labels.sum():,}", f"{after.labels.sum():,}", None])
    table = markdown(["category", "labels before", "after", "images after"], lines, numbers_from=1)
    return (
        f"{table}\n{(after.labels == 0).sum()} categories without labels; evenness "
        f"{before.evenness:.3f} before, {after.evenness:.3f} after (1 is even)."
    )
