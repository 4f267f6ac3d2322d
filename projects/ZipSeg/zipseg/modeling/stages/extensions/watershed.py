"""Soft boundaries instead of hard clusters: a watershed over the gradient of the features."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed
from torch import Tensor

from ....structures import Activation, Pieces, Proposals
from .. import regions
from ..boundaries import boundary_strength
from ..discovery import DISCOVERY_REGISTRY, Discovery
from ..regrouping import to_proposals, without_small

FAR = 1e6  # planes of a stack lie this many cells apart


@dataclass(frozen=True)
class SoftBoundaries(Discovery):
    """Objects parted where the features change; needs no k.

    The regions are shared out anew at each of several levels: what is one object at one level may
    be two at another. All are candidates; the segmenter's predicted IoU and the suppression of
    duplicates choose.

    Args:
        quantile: cells above this quantile of boundary strength within the activated region are
            boundary.
        smoothing: sigma of the Gaussian over the boundary map, cells.
    """

    ANY_GRID: ClassVar[bool] = True
    quantile: float = 0.75
    smoothing: float = 1.0

    @property
    def needed_share(self) -> float:
        return 0.5  # objects lie within what is activated

    def discover(
        self, features: Tensor, activation: Activation, image_size: tuple[int, int]
    ) -> tuple[Proposals, Pieces]:
        strength = boundary_strength(features, self.smoothing)
        if strength.shape != activation.grid:
            strength = F.interpolate(strength[None, None], activation.grid, mode="bilinear")[0, 0]
        labels = self.share_out(strength, activation.active)
        proposals = [
            to_proposals(without_small(label, self.min_area), image_size, features.device, level)
            for level, label in enumerate(labels)
        ]
        first = torch.from_numpy(labels[0].astype(np.int64) - 1).to(features.device)
        kept = torch.ones(int(labels[0].max(initial=0)), dtype=torch.bool, device=features.device)
        return Proposals.distinct(proposals), Pieces(strength, first, kept)

    @abstractmethod
    def share_out(self, strength: Tensor, active: Tensor) -> list[NDArray]:
        """Labels [P, h, w] at each level, 0 for none, no label in two planes.

        Args:
            strength: boundary strength [h, w].
            active: activated regions, bool [P, h, w].
        """


@DISCOVERY_REGISTRY.register()
@dataclass(frozen=True)
class Watershed(SoftBoundaries):
    """A marker-based watershed over the gradient of the features.

    Args:
        radii: levels; cores lie at least so many cells from any boundary cell. A huge one gives the
            connected regions as they are.
    """

    SECTIONS: ClassVar = ("DISCOVERY", "WATERSHED")
    radii: tuple[float, ...] = (3.5,)

    def share_out(self, strength: Tensor, active: Tensor) -> list[NDArray]:
        return share_out(strength, active, self.quantile, self.radii)


def share_out(
    strength: Tensor, active: Tensor, quantile: float = 0.75, radii: Sequence[float] = (3.5,)
) -> list[NDArray]:
    """Divides the activated regions into objects.

    Boundary is where the strength exceeds its ``quantile`` within a name's activated region. Cores
    are what lies more than a radius from any boundary; a connected part of the region without a
    core is its own. From the cores a watershed over the strength shares out the region, in one pass
    over all names.

    Args:
        strength: boundary strength [h, w].
        active: activated regions, bool [P, h, w].
        radii: in cells; the regions are shared out anew for each.

    Returns:
        For each radius labels [P, h, w], 0 for none, no label in two planes.
    """
    active, strength = active.cpu().numpy(), strength.cpu().numpy()
    regions_of, count = ndimage.label(active, regions.WITHIN_PLANES)
    if not count:
        return [regions_of for _ in radii]
    limit = limit_within(strength, active, quantile)
    # A plane of nothing but boundary, far away, makes the distance defined everywhere.
    inside = np.concatenate([strength <= limit, np.zeros_like(active[:1])])
    distance = ndimage.distance_transform_edt(inside, sampling=(FAR, 1, 1))[:-1]
    strength = np.broadcast_to(strength, active.shape)
    labels = []
    for radius in radii:
        core = active & (distance > radius)
        cored = np.zeros(count + 1, bool)
        cored[regions_of[core]] = True
        core |= active & ~cored[regions_of]
        markers, _ = ndimage.label(core, regions.WITHIN_PLANES)
        labels.append(watershed(strength, markers, regions.WITHIN_PLANES, mask=active))
    return labels


def limit_within(strength: NDArray, active: NDArray, quantile: float) -> NDArray:
    """The quantile of the strength [h, w] within each region of bool [P, h, w], [P, 1, 1]; 0 for an
    empty region."""
    within = np.where(active, strength, np.nan).reshape(len(active), -1)
    within[~active.any(axis=(1, 2))] = 0
    return np.nanquantile(within, quantile, axis=1)[:, None, None]
