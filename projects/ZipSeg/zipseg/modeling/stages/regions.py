"""Labelled regions of the feature grid, measured all at once: connectivity, boxes, depth."""

import cv2
import numpy as np
from numpy.typing import NDArray

# 4-connectivity within each plane of a [P, h, w] stack, none between planes.
WITHIN_PLANES = np.array([[[0, 0, 0]] * 3, [[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[0, 0, 0]] * 3])


def boxes(label: NDArray, row: NDArray, column: NDArray, count: int) -> NDArray:
    """XYXY boxes with exclusive ends, int64 [count, 4], of cells [n] labelled 0..count-1."""
    box = np.empty((count, 4), np.int64)
    box[:, :2], box[:, 2:] = np.iinfo(np.int64).max, 0
    for low, cell in ((0, column), (1, row)):
        np.minimum.at(box[:, low], label, cell)
        np.maximum.at(box[:, low + 2], label, cell + 1)
    return box


def depth(label: NDArray) -> NDArray:
    """Distance from each cell's centre to the nearest edge of its region, float32, in cells.

    It is the radius of the largest circle around that centre inside the region; the border of the
    grid is an edge too, so a lone cell has depth 0.5. Exact: the nearest point of an outline that
    runs along cell sides is the middle or the end of a side, and both lie on a grid of half cells,
    over which one distance transform serves all regions.

    Args:
        label: a label for every cell of the planes [P, h, w].
    """
    planes, rows, columns = label.shape
    padded = np.full((planes, rows + 2, columns + 2), label.min(initial=0) - 1, label.dtype)
    padded[:, 1:-1, 1:-1] = label
    inside = np.ones((planes, 2 * rows + 1, 2 * columns + 1), np.uint8)
    across = padded[:, :, 1:] == padded[:, :, :-1]
    down = padded[:, 1:] == padded[:, :-1]
    inside[:, 1::2, ::2] = across[:, 1:-1]
    inside[:, ::2, 1::2] = down[:, :, 1:-1]
    inside[:, ::2, ::2] = across[:, 1:] & across[:, :-1] & down[:, :, 1:] & down[:, :, :-1]
    stacked = inside.reshape(-1, 2 * columns + 1)
    if not stacked.size:
        return np.zeros(label.shape, np.float32)
    distance = cv2.distanceTransform(stacked, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance.reshape(inside.shape)[:, 1::2, 1::2] / 2
