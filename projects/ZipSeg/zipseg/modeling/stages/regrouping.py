"""Regrouping: what lies together and belongs to one name is one object."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ...structures import Proposals
from . import regions
from .fragments import Fragments


def regroup(
    fragments: Fragments, keep: Tensor, active: Tensor, min_area: int = 100, grow: int = 0
) -> Proposals:
    """The 4-connected components of each name's kept fragments, as objects.

    Args:
        keep: kept fragments of each name, bool [P, F].
        active: activated regions, bool [P, h, w].
        min_area: smaller components are dropped, cells.
        grow: components grow by this many cells over the rims that were dropped, within the
            activated region and not into each other.
    """
    union = keep[:, fragments.label].cpu().numpy()
    label, _ = ndimage.label(union, regions.WITHIN_PLANES)
    label = without_small(label, min_area)
    if grow and label.any():
        # Planes lie so far apart that nothing grows from one into another.
        distance, nearest = ndimage.distance_transform_edt(
            label == 0, sampling=(grow + 1, 1, 1), return_indices=True
        )
        free = active.cpu().numpy() & (distance <= grow)
        label = np.where(free, label[tuple(nearest)], label)
    return to_proposals(label, keep.device)


def without_small(label: NDArray, min_area: int) -> NDArray:
    """Labels [P, h, w], 0 where a region has fewer than ``min_area`` cells."""
    area = np.bincount(label.ravel(), minlength=1)
    return np.where(area[label] >= min_area, label, 0)


def to_proposals(label: NDArray, device: torch.device) -> Proposals:
    """Proposals in label order from labels [P, h, w]: 0 is none, no label is in two planes.

    An object's point is the centre of its deepest cell, the first of several.
    """
    plane, row, column = label.nonzero()
    ids, index = np.unique(label[plane, row, column], return_inverse=True)
    depth = regions.depth(label)[plane, row, column]
    deepest = np.zeros(len(ids), np.float32)
    np.maximum.at(deepest, index, depth)
    candidates = np.flatnonzero(depth == deepest[index])[::-1]
    cell = np.zeros(len(ids), np.int64)
    cell[index[candidates]] = candidates  # of several writes to one place the last one stays
    point = np.stack([column[cell], row[cell]], axis=1) + 0.5
    box = regions.boxes(index, row, column, len(ids))
    return Proposals(
        torch.from_numpy(plane[cell]).to(device),
        torch.from_numpy(box).to(device, torch.float32),
        torch.from_numpy(point).to(device, torch.float32),
    )
