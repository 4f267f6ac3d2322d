"""Discovery by each method, at many settings at once, with what it takes for a boundary."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...modeling.stages.clustering import grid_centres, kmeans
from ...modeling.stages.discovery import (
    DiscoverySettings,
    discover_by_soft_boundaries,
    share_out_softly,
)
from ...modeling.stages.fragments import find_fragments, select_fragments
from ...modeling.stages.regrouping import regroup
from ...modeling.stages.watershed import boundary_strength
from ...structures import Activation, Proposals

FINE = 4  # cells of the silhouettes' grid to one of the features'
STRONG = 0.25  # share of a region's cells that counts as boundary, the same for every source
LEAST_AREA = 0.0022  # of the square on an image's short side: smaller objects are dropped


class Pieces(NamedTuple):
    """What discovery cuts at and into."""

    boundary: Tensor  # bool [P, h, w] or, for all planes, [1, h, w]
    segment: Tensor  # int64 [P, h, w] or [1, h, w]


class Method(NamedTuple):
    """A way of discovery."""

    # Settings to choose from, for so many cells on the short side.
    candidates: Callable[[int], tuple]
    # Features, activation and settings -> the objects at each setting, in the activation's cells.
    discover: Callable[[Tensor, Activation, Sequence], list[Proposals]]
    # Features, activation and one setting -> pieces, in the features' cells.
    pieces: Callable[..., Pieces]
    fine: int = 1  # cells of the activation's grid to one of the features'


def _cluster_candidates(cells: int) -> tuple[DiscoverySettings, ...]:
    demo = DiscoverySettings("clusters", least_area(cells), k=20)
    radius = demo._replace(boundary_rule="inscribed_radius", grow=1)
    return (
        *(demo._replace(boundary_score=score) for score in (2.0, 3.0)),
        *(radius._replace(min_radius=r * cells / 64) for r in (1.5, 2.0, 2.5)),
    )


def _watershed_candidates(cells: int) -> tuple[DiscoverySettings, ...]:
    settings = DiscoverySettings("watershed", least_area(cells))
    return tuple(
        settings._replace(quantile=quantile, radius=radius * cells / 64)
        for quantile in (0.65, 0.75, 0.85)
        for radius in (1.5, 2.2, 3.2)
    )


def _silhouette_candidates(cells: int) -> tuple[DiscoverySettings, ...]:
    settings = DiscoverySettings("silhouette", least_area(FINE * cells))
    return tuple(
        settings._replace(quantile=quantile, prominence=prominence)
        for quantile in (0.75, 0.9)
        for prominence in (0.1, 0.2, 0.4)
    )


def least_area(cells: int) -> int:
    """Cells of the smallest object that is kept."""
    return max(1, round(LEAST_AREA * cells**2))


def by_clusters(
    features: Tensor, activation: Activation, settings: Sequence[DiscoverySettings]
) -> list[Proposals]:
    """``discover_by_clusters`` at several settings that share one K-Means for each k."""
    fragments = {k: _fragments(features, activation, k) for k in {each.k for each in settings}}
    objects = []
    for each in settings:
        keep = select_fragments(
            fragments[each.k],
            each.activation_share,
            each.boundary_rule,
            each.boundary_score,
            each.min_radius,
        )
        objects.append(
            regroup(fragments[each.k], keep, activation.active, each.min_area, each.grow)
        )
    return objects


def by_soft_boundaries(
    features: Tensor, activation: Activation, settings: Sequence[DiscoverySettings]
) -> list[Proposals]:
    return [discover_by_soft_boundaries(features, activation, each) for each in settings]


def _fragments(features: Tensor, activation: Activation, k: int):
    labels, _ = kmeans(features, grid_centres(features, k))
    return find_fragments(labels, activation.active)


def _cluster_pieces(
    features: Tensor, activation: Activation, settings: DiscoverySettings
) -> Pieces:
    segment = _fragments(features, activation, settings.k).label
    across, down = segment[:, 1:] != segment[:, :-1], segment[1:] != segment[:-1]
    boundary = F.pad(across, (0, 1)) | F.pad(across, (1, 0))
    boundary |= F.pad(down, (0, 0, 0, 1)) | F.pad(down, (0, 0, 1, 0))
    return Pieces(boundary[None], segment[None])


def _soft_pieces(features: Tensor, activation: Activation, settings: DiscoverySettings) -> Pieces:
    strength = boundary_strength(features, settings.smoothing)
    _, (label,) = share_out_softly(features, activation, settings)
    label, active = (
        F.interpolate(each[None].double(), strength.shape, mode="nearest-exact")[0]
        for each in (torch.from_numpy(label), activation.active)
    )
    return Pieces(_strongest(strength, active > 0), label.long())


def _strongest(strength: Tensor, active: Tensor) -> Tensor:
    """The ``STRONG`` share of each region's cells with the highest strength, bool [P, h, w]."""
    within = np.where(active, strength, np.nan).reshape(len(active), -1)
    within[~active.flatten(1).any(dim=1).numpy()] = 0
    limit = torch.from_numpy(np.nanquantile(within, 1 - STRONG, axis=1)).to(strength)
    return active & (strength > limit[:, None, None])


METHODS = {
    "clusters": Method(_cluster_candidates, by_clusters, _cluster_pieces),
    "watershed": Method(_watershed_candidates, by_soft_boundaries, _soft_pieces),
    "silhouette": Method(_silhouette_candidates, by_soft_boundaries, _soft_pieces, FINE),
}
