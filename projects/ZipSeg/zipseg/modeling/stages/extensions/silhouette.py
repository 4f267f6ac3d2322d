"""Shape and features together: a watershed from the deepest places between borders of any kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed
from torch import Tensor

from ..discovery import DISCOVERY_REGISTRY
from .watershed import SoftBoundaries, limit_within

CROSS = ndimage.generate_binary_structure(2, 1)
OUTSIDE = np.float32(-99.0)  # below any depth
STEPS = 8  # between two looks whether a reconstruction has come to rest


@DISCOVERY_REGISTRY.register()
@dataclass(frozen=True)
class Silhouette(SoftBoundaries):
    """A watershed over the depth of the regions between borders of any kind.

    Args:
        prominences: levels; cores are peaks of depth that stand out by so many powers of two.
    """

    SECTIONS: ClassVar = ("DISCOVERY", "SILHOUETTE")
    prominences: tuple[float, ...] = (0.2,)

    def share_out(self, strength: Tensor, active: Tensor) -> list[NDArray]:
        return share_out_by_depth(strength, active, self.quantile, self.prominences)


def share_out_by_depth(
    strength: Tensor, active: Tensor, quantile: float, prominences: Sequence[float]
) -> list[NDArray]:
    """Divides the activated regions into objects by their shape and the features.

    The depth of a cell is its distance to the region's border or to a boundary cell, one whose
    strength exceeds its ``quantile`` within the region. Where the strength is the same everywhere
    that is the region's silhouette alone. Each peak that stands out by a prominence (in powers of
    two, so that large and small objects are treated alike) is a core; a watershed over the depth
    shares out the region.

    Args:
        strength: boundary strength [h, w].
        active: activated regions, bool [P, h, w].
        prominences: the regions are shared out anew for each.

    Returns:
        For each prominence labels [P, h, w], 0 for none, no label in two planes.
    """
    active, strength = active.cpu().numpy(), strength.cpu().numpy()
    if not active.any():
        return [np.zeros(active.shape, np.int32) for _ in prominences]
    region = _one_picture(active)
    calm = _one_picture(active & (strength <= limit_within(strength, active, quantile)))
    height = np.where(region, _log_depth(calm), OUTSIDE)
    return [
        _by_plane(_share_out_heights(height, region, prominence), active.shape)
        for prominence in prominences
    ]


def _log_depth(inside: NDArray) -> NDArray:
    """Binary logarithm of each cell's distance to the nearest cell that is not inside, float32.

    Half a cell for those that are not: a part of nothing else is a core as well.
    """
    distance = cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    squared = np.rint(np.square(distance, dtype=np.float64)).astype(np.int64)  # exact again
    logarithm = np.log2(np.sqrt(np.maximum(np.arange(squared.max() + 1), 0.25)))
    return logarithm.astype(np.float32)[squared]


def _share_out_heights(height: NDArray, region: NDArray, prominence: float) -> NDArray:
    floor = np.where(region, height - np.float32(prominence), OUTSIDE)
    risen = reconstruct(floor, height)
    markers, _ = ndimage.label(region & local_maxima(risen, footprint=CROSS))
    return watershed(-height, markers, CROSS, mask=region)


def reconstruct(seed: NDArray, mask: NDArray) -> NDArray:
    """Morphological reconstruction of ``mask`` by dilation of ``seed``, float32 [h, w], over the
    four neighbours: ``skimage.morphology.reconstruction`` several times faster on such pictures,
    whose sorting takes longer than the few dilations over the radius of an object."""
    cross = CROSS.view(np.uint8)
    while True:
        before = seed
        for _ in range(STEPS):
            seed = cv2.min(cv2.dilate(seed, cross), mask)
        if np.array_equal(seed, before):
            return seed


def _one_picture(planes: NDArray) -> NDArray:
    """Bool [P, h, w] below each other, False around each: [P (h + 1) + 1, w + 2]."""
    padded = np.pad(planes, ((0, 0), (1, 0), (1, 1)))
    return np.pad(padded.reshape(-1, padded.shape[2]), ((0, 1), (0, 0)))


def _by_plane(picture: NDArray, shape: tuple[int, int, int]) -> NDArray:
    """What ``_one_picture`` put together, of ``shape`` again."""
    planes, rows, columns = shape
    return picture[:-1, 1:-1].reshape(planes, rows + 1, columns)[:, 1:]
