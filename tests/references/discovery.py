"""The released demo's discovery, step by step; what the fast stages are held against."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import skimage.measure
import torch
from torch import Tensor

from zipseg.structures import Activation


class PlainObject(NamedTuple):
    """One object, in cells; the box is XYXY with exclusive ends."""

    category: int
    box: tuple[int, int, int, int]
    cells: np.ndarray  # int [n, 2], rows and columns


def plain_discover(
    features: Tensor,
    activation: Activation,
    k: int = 20,
    activation_share: float = 0.3,
    boundary_score: float = 3.0,
    min_area: int = 100,
    most_common: int = 20,
) -> list[PlainObject]:
    """Objects of all present names of features [C, h, w] as the demo finds them.

    In the precision of the features; single is the demo's, double leaves nothing to rounding.
    """
    points = features.flatten(1).T.contiguous()
    centres = points[torch.linspace(0, len(points) - 1, k).round().long()]
    labels = plain_kmeans(points, centres).reshape(features.shape[1:]).numpy()
    active = activation.active.numpy()
    unions = plain_unions(labels, active, activation_share, boundary_score, most_common)
    return plain_objects(unions, min_area)


def plain_kmeans(
    points: Tensor, centres: Tensor, max_iterations: int = 100, rtol: float = 1e-5
) -> Tensor:
    """Labels [M] of points [M, C]: all distances, and a mean for each cluster, every time."""
    for _ in range(max_iterations):
        labels = torch.cdist(points, centres).argmin(dim=1)
        means = centres.clone()
        for cluster in range(len(centres)):
            members = points[labels == cluster]
            if len(members):
                means[cluster] = members.mean(dim=0)
        if torch.allclose(means, centres, rtol=rtol):
            break
        centres = means
    return labels


def plain_unions(
    labels: np.ndarray,
    active: np.ndarray,
    activation_share: float,
    boundary_score: float,
    most_common: int | None = None,
) -> np.ndarray:
    """The kept fragments of each name, bool [P, h, w], cluster by cluster and name by name.

    The demo goes through the 20 most common values of (cluster + 1) x activated, the 0 of what is
    not activated among them; None: through all.
    """
    unions = np.zeros(active.shape, bool)
    for union, region_of_name in zip(unions, active, strict=True):
        values = Counter(((labels + 1) * region_of_name).ravel().tolist())
        for value, _ in values.most_common(most_common):
            if value == 0:
                continue
            pieces = skimage.measure.label(labels + 1 == value, connectivity=1)
            for piece in skimage.measure.regionprops(pieces):
                rows, columns = piece.coords.T
                share = region_of_name[rows, columns].mean()
                score = piece.area_bbox / piece.area
                if share > activation_share and score < boundary_score:
                    union[rows, columns] = True
    return unions


def plain_objects(unions: np.ndarray, min_area: int) -> list[PlainObject]:
    """The 4-connected components of each plane [P, h, w] of at least ``min_area`` cells."""
    objects = []
    for category, union in enumerate(unions):
        for piece in skimage.measure.regionprops(skimage.measure.label(union, connectivity=1)):
            if piece.area >= min_area:
                top, left, bottom, right = piece.bbox
                objects.append(PlainObject(category, (left, top, right, bottom), piece.coords))
    return objects
