"""Regrouping: what lies together and belongs to one category is one object."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ...structures import Proposals
from . import regions
from .fragments import Fragments
from .stage import Stage


@dataclass(frozen=True)
class Regroup(Stage):
    """The 4-connected components of each category's kept fragments, as objects.

    Args:
        dilation: objects grow by this many cells over the rims that were removed, within the
            activated region and not into each other.
    """

    SECTIONS: ClassVar = ("REGROUPING",)
    dilation: int = 0

    def __call__(
        self, fragments: Fragments, keep: Tensor, active: Tensor, min_area: int
    ) -> NDArray:
        """Labels int [P, h, w] of the objects, 0 for none, no label in two planes.

        Args:
            keep: kept fragments of each category, bool [P, F].
            active: activated regions, bool [P, h, w].
            min_area: smaller components are removed, cells.
        """
        union = keep[:, fragments.label].cpu().numpy()
        label, _ = ndimage.label(union, regions.WITHIN_PLANES)
        label = without_small(label, min_area)
        if not self.dilation or not label.any():
            return label
        # Planes lie so far apart that nothing grows from one into another.
        distance, nearest = ndimage.distance_transform_edt(
            label == 0, sampling=(self.dilation + 1, 1, 1), return_indices=True
        )
        free = active.cpu().numpy() & (distance <= self.dilation)
        return np.where(free, label[tuple(nearest)], label)


def without_small(label: NDArray, min_area: int) -> NDArray:
    """Labels [P, h, w], 0 where a region has fewer than ``min_area`` cells."""
    area = np.bincount(label.ravel(), minlength=1)
    return np.where(area[label] >= min_area, label, 0)


def to_proposals(
    label: NDArray, image_size: tuple[int, int], device: torch.device, source: int = 0
) -> Proposals:
    """Proposals in label order from labels [P, h, w]: 0 is none, no label is in two planes.

    An object's point is the centre of its deepest cell, the first of several.

    Args:
        image_size: (height, width) in pixels of the image that the grid covers.
        source: of these proposals.
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
    (height, width), (rows, columns) = image_size, label.shape[1:]
    pixels = torch.tensor([width / columns, height / rows], device=device)
    return Proposals(
        torch.from_numpy(plane[cell]).to(device),
        torch.from_numpy(box).to(device, torch.float32) * pixels.repeat(2),
        torch.from_numpy(point).to(device, torch.float32) * pixels,
        torch.full((len(ids),), source, device=device),
        torch.zeros(len(ids), dtype=torch.bool, device=device),
    )
