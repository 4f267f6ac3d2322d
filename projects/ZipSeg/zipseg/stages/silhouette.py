"""Shape and features together: a watershed from the deepest places between borders of any kind."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed
from torch import Tensor

from .watershed import limit_within

CROSS = ndimage.generate_binary_structure(2, 1)
OUTSIDE = -99.0  # below any depth


def share_out_by_depth(
    strength: Tensor, active: Tensor, quantile: float, prominence: float
) -> NDArray:
    """Divides the activated regions into objects by their shape and the features.

    The depth of a cell is its distance to the region's border or to a boundary cell, one whose
    strength exceeds its ``quantile`` within the region. Where the strength is the same everywhere
    that is the region's silhouette alone. Each peak that stands out by ``prominence`` (in powers of
    two, so that large and small objects are treated alike) is a core; a watershed over the depth
    shares out the region.

    Args:
        strength: boundary strength [h, w].
        active: activated regions, bool [P, h, w].

    Returns:
        Labels [P, h, w], 0 for none, no label in two planes.
    """
    active, strength = active.cpu().numpy(), strength.cpu().numpy()
    if not active.any():
        return np.zeros(active.shape, np.int32)
    region = _one_picture(active)
    depth = ndimage.distance_transform_edt(
        _one_picture(active & (strength <= limit_within(strength, active, quantile)))
    )
    # Half a cell for the boundary cells themselves: a part of nothing else is a core as well.
    height = np.where(region, np.log2(np.maximum(depth, 0.5)), OUTSIDE)
    floor = np.where(region, height - prominence, OUTSIDE)
    risen = reconstruction(floor, height, footprint=CROSS)
    markers, _ = ndimage.label(region & local_maxima(risen, footprint=CROSS))
    label = watershed(-depth, markers, CROSS, mask=region)
    planes, rows, columns = active.shape
    return label[:-1, 1:-1].reshape(planes, rows + 1, columns)[:, 1:]


def _one_picture(planes: NDArray) -> NDArray:
    """Bool [P, h, w] below each other, False around each: [P (h + 1) + 1, w + 2]."""
    padded = np.pad(planes, ((0, 0), (1, 0), (1, 1)))
    return np.pad(padded.reshape(-1, padded.shape[2]), ((0, 1), (0, 0)))
