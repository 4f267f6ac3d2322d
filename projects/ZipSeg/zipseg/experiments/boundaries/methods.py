"""Discovery by each method, at many settings at once, with what it takes for a boundary."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...modeling.stages.boundaries import boundary_strength
from ...modeling.stages.discovery import Clusters, Discovery
from ...modeling.stages.extensions import Silhouette, Watershed
from ...modeling.stages.extensions.watershed import SoftBoundaries
from ...modeling.stages.fragments import SelectFragments
from ...modeling.stages.regrouping import Regroup
from ...modeling.stages.stage import Stage
from ...structures import Activation, Proposals

FINE = 4  # cells of the silhouettes' grid to one of the features'
STRONG = 0.25  # share of a region's cells that counts as boundary, the same for every source
LEAST_AREA = 0.0022  # of the square on an image's short side: smaller objects are removed


class Cuts(NamedTuple):
    """What discovery cuts at and into."""

    boundary: Tensor  # bool [P, h, w] or, for all planes, [1, h, w]
    segment: Tensor  # int64 [P, h, w] or [1, h, w]


class Method(NamedTuple):
    """A way of discovery."""

    # Settings to choose from, for so many cells on the short side.
    candidates: Callable[[int], tuple[Discovery, ...]]
    # Features, activation, settings and image size -> the proposals of each setting.
    discover: Callable[[Tensor, Activation, Sequence, tuple[int, int]], list[Proposals]]
    # Features, activation and one setting -> cuts, in the features' cells.
    cuts: Callable[..., Cuts]
    fine: int = 1  # cells of the activation's grid to one of the features'


def constants(settings: Stage) -> dict[str, Any]:
    """All constants of a stage and of those within it, by name, as JSON has them."""
    found = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if isinstance(value, Stage):
            found |= constants(value)
        else:
            found[each.name] = list(value) if isinstance(value, tuple) else value
    return found


def _cluster_candidates(cells: int) -> tuple[Clusters, ...]:
    demo = Clusters(least_area(cells))
    radius = replace(demo, regroup=Regroup(dilation=1))
    return (
        *(replace(demo, select=SelectFragments(boundary_score=score)) for score in (2.0, 3.0)),
        *(
            replace(
                radius,
                select=SelectFragments(boundary_rule="inscribed_radius", min_radius=r * cells / 64),
            )
            for r in (1.5, 2.0, 2.5)
        ),
    )


def _watershed_candidates(cells: int) -> tuple[Watershed, ...]:
    return tuple(
        Watershed(least_area(cells), quantile, radii=(radius * cells / 64,))
        for quantile in (0.65, 0.75, 0.85)
        for radius in (1.5, 2.2, 3.2)
    )


def _silhouette_candidates(cells: int) -> tuple[Silhouette, ...]:
    return tuple(
        Silhouette(least_area(FINE * cells), quantile, prominences=(prominence,))
        for quantile in (0.75, 0.9)
        for prominence in (0.1, 0.2, 0.4)
    )


def least_area(cells: int) -> int:
    """Cells of the smallest object that is kept."""
    return max(1, round(LEAST_AREA * cells**2))


def by_clusters(
    features: Tensor,
    activation: Activation,
    settings: Sequence[Clusters],
    image_size: tuple[int, int],
) -> list[Proposals]:
    """Discovery at several settings, which share one K-Means where they have the same."""
    labels = {cluster: cluster(features, activation) for cluster in {x.cluster for x in settings}}
    found = []
    for each in settings:
        pieces = each.fragments(labels[each.cluster], activation)
        found.append(each.unite(pieces, each.select(pieces), activation, image_size))
    return found


def by_soft_boundaries(
    features: Tensor,
    activation: Activation,
    settings: Sequence[SoftBoundaries],
    image_size: tuple[int, int],
) -> list[Proposals]:
    return [each(features, activation, image_size)[0] for each in settings]


def _cluster_cuts(features: Tensor, activation: Activation, settings: Clusters) -> Cuts:
    labels = settings.cluster(features, activation)
    segment = settings.fragments(labels, activation).label
    across, down = segment[:, 1:] != segment[:, :-1], segment[1:] != segment[:-1]
    boundary = F.pad(across, (0, 1)) | F.pad(across, (1, 0))
    boundary |= F.pad(down, (0, 0, 0, 1)) | F.pad(down, (0, 0, 1, 0))
    return Cuts(boundary[None], segment[None])


def _soft_cuts(features: Tensor, activation: Activation, settings: SoftBoundaries) -> Cuts:
    strength = boundary_strength(features, settings.smoothing)
    _, pieces = settings(features, activation, activation.grid)
    label, active = (
        F.interpolate(each[None].double(), strength.shape, mode="nearest-exact")[0]
        for each in (pieces.label + 1, activation.active)
    )
    return Cuts(_strongest(strength, active > 0), label.long())


def _strongest(strength: Tensor, active: Tensor) -> Tensor:
    """The ``STRONG`` share of each region's cells with the highest strength, bool [P, h, w]."""
    within = np.where(active, strength, np.nan).reshape(len(active), -1)
    within[~active.flatten(1).any(dim=1).numpy()] = 0
    limit = torch.from_numpy(np.nanquantile(within, 1 - STRONG, axis=1)).to(strength)
    return active & (strength > limit[:, None, None])


METHODS = {
    "clusters": Method(_cluster_candidates, by_clusters, _cluster_cuts),
    "watershed": Method(_watershed_candidates, by_soft_boundaries, _soft_cuts),
    "silhouette": Method(_silhouette_candidates, by_soft_boundaries, _soft_cuts, FINE),
}
