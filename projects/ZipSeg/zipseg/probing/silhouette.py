"""Shape and features together: a watershed from the deepest places between borders of any kind."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed
from torch import Tensor

CROSS = ndimage.generate_binary_structure(2, 1)
OUTSIDE = -99.0  # below any depth


class SilhouetteSettings(NamedTuple):
    """Constants of ``share_out_by_depth``; lengths in cells."""

    min_area: int = 10
    smoothing: float = 1.0
    quantile: float = 0.8
    prominence: float = 0.3


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
    labels = np.zeros(active.shape, np.int32)
    for plane, label in zip(active, labels, strict=True):
        for window in ndimage.find_objects(plane.astype(np.uint8)):  # one, or none
            inside = plane[window]
            found = _share_out_plane(strength[window], inside, quantile, prominence)
            label[window][inside] = found[inside] + labels.max()
    return labels


def _share_out_plane(
    strength: NDArray, active: NDArray, quantile: float, prominence: float
) -> NDArray:
    """The same for one name [h, w] with something active; labels from 1 on."""
    limit = np.quantile(strength[active], quantile)
    inside = np.pad(active & (strength <= limit), 1)
    depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
    # Half a cell for the boundary cells themselves: a part of nothing else is a core as well.
    height = np.where(active, np.log2(np.maximum(depth, 0.5)), OUTSIDE)
    floor = np.where(active, height - prominence, OUTSIDE)
    risen = reconstruction(floor, height, footprint=CROSS)
    markers, _ = ndimage.label(active & local_maxima(risen, footprint=CROSS))
    return watershed(-depth, markers, CROSS, mask=active)
