"""Boxes that contradict their masks, and what their four numbers seem to be instead."""

from __future__ import annotations

import numpy as np

from .rules import logger

_AGREES, _CONTRADICTS = 0.95, 0.1


def _readings(box: np.ndarray, size: np.ndarray) -> dict[str, np.ndarray]:
    """XYWH boxes that the four numbers would mean in other orders and units."""
    a, b, c, d = box.T
    height, width = size.T
    return {
        "x1, y1, x2, y2": np.stack([a, b, c - a, d - b], axis=1),
        "centre x, centre y, width, height": np.stack([a - c / 2, b - d / 2, c, d], axis=1),
        "y, x, height, width": np.stack([b, a, d, c], axis=1),
        "shares of the image's size": box * np.stack([width, height, width, height], axis=1),
    }


def tell_contradictions(
    source: object, what: str, box: np.ndarray, of_mask: np.ndarray, size: np.ndarray
) -> int:
    """One warning line about boxes that are not those of their masks.

    A box contradicts its mask if they hardly overlap (IoU below 0.1), or if its numbers fit the
    mask (IoU of 0.95 or more) in another order only.

    Args:
        source, what: the file, and how its entries are called.
        box: float64 [N, 4], as the file has them.
        of_mask: float64 [N, 4], XYWH; NaN without a mask.
        size: int64 [N, 2], height and width of their images.

    Returns:
        How many.
    """
    rows = np.flatnonzero((of_mask[:, 2:] > 0).all(1))
    masks = len(rows)
    box, of_mask, size = box[rows], of_mask[rows], size[rows]
    overlap = _iou(box, of_mask)
    rows = np.flatnonzero(overlap < _AGREES)
    box, of_mask, size, overlap = box[rows], of_mask[rows], size[rows], overlap[rows]
    fits = {
        reading: (_iou(other, of_mask) >= _AGREES)
        for reading, other in _readings(box, size).items()
    }
    # What fits both ways within a pixel or so is no contradiction.
    close = (np.abs(_corners(box) - _corners(of_mask)) <= 1.5).all(1)
    wrong = ((overlap < _CONTRADICTS) | np.any(list(fits.values()), axis=0)) & ~close
    count = int(wrong.sum())
    if count:
        best = max(fits, key=lambda reading: int((fits[reading] & wrong).sum()))
        told = int((fits[best] & wrong).sum())
        cause = f"; {told:,} would fit as {best}" if told else ""
        logger.warning(
            "%s: the boxes of %s of %s %s with masks contradict these (COCO's order is x, y, "
            "width, height, in pixels)%s",
            source,
            f"{count:,}",
            f"{masks:,}",
            what,
            cause,
        )
    return count


def tell_out_of_bounds(source: object, what: str, box: np.ndarray, size: np.ndarray) -> int:
    """One warning line about boxes that reach out of their images, or whose numbers are all shares
    of the image's size: what can be known of boxes without masks.

    Args:
        source, what: the file, and how its entries are called.
        box: float64 [N, 4], as the file has them.
        size: int64 [N, 2], height and width of their images.

    Returns:
        How many.
    """
    ends, sides = box[:, :2] + box[:, 2:], size[:, ::-1]
    out = (ends > sides * 1.02 + 2).any(1) | (box[:, :2] < -0.02 * sides - 2).any(1)
    if len(box) and (np.abs(box) <= 1).all() and (box[:, 2:] > 0).any():
        told, count = "would fit as shares of the image's size", len(box)
    else:
        corners = (box[:, 2:] > box[:, :2]).all(1) & (box[:, 2:] <= sides).all(1)
        count = int(out.sum())
        fit = int((out & corners).sum())
        told = f"reach out of their images; {fit:,} would fit as x1, y1, x2, y2"
        told = told if fit else "reach out of their images"
    if count:
        logger.warning(
            "%s: %s of %s boxes of %s without masks %s (COCO's order is x, y, width, height, in "
            "pixels)",
            *(source, f"{count:,}", f"{len(box):,}", what, told),
        )
    return count


def _corners(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)


def _iou(box: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU [N] of XYWH boxes [N, 4]; 0 with negative sizes."""
    sides = np.minimum(box[:, :2] + box[:, 2:], other[:, :2] + other[:, 2:])
    sides = (sides - np.maximum(box[:, :2], other[:, :2])).clip(0)
    overlap = sides.prod(1)
    union = box[:, 2:].clip(0).prod(1) + other[:, 2:].prod(1) - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=overlap > 0)
