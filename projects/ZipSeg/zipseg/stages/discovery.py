"""Discovery: from boundary features and activations to objects, by clusters or by watershed."""

from typing import NamedTuple

import torch
from torch import Tensor

from .clustering import grid_centres, kmeans, semantic_centres
from .fragments import find_fragments, select_fragments
from .regrouping import regroup, to_objects, without_small
from .types import Activation, Fragments, Objects
from .watershed import boundary_strength, share_out


class DiscoverySettings(NamedTuple):
    """The constants of discovery; the defaults are the released demo's, lengths in cells."""

    method: str = "clusters"  # or "watershed"
    min_area: int = 100
    k: int = 20
    centres: str = "grid"  # or "semantic"
    max_iterations: int = 100
    rtol: float = 1e-5
    activation_share: float = 0.3
    boundary_rule: str = "box_area"  # or "inscribed_radius"
    boundary_score: float = 3.0
    min_radius: float = 2.0
    grow: int = 0
    quantile: float = 0.75
    radius: float = 3.5
    more_radii: tuple[float, ...] = ()
    smoothing: float = 1.0


def discover(features: Tensor, activation: Activation, settings: DiscoverySettings) -> Objects:
    """The objects of all present names, in cells of the feature grid.

    Args:
        features: boundary features [C, h, w].

    Raises:
        ValueError: features that are not finite.
    """
    method = {"clusters": discover_by_clusters, "watershed": discover_by_watershed}[settings.method]
    with torch.autocast(features.device.type, enabled=False):
        return method(features, activation, settings)


def discover_by_clusters(
    features: Tensor, activation: Activation, settings: DiscoverySettings
) -> Objects:
    """The paper's way: K-Means, fragments, selection, regrouping."""
    _, fragments, keep = cluster_and_select(features, activation, settings)
    return regroup(fragments, keep, activation.active, settings.min_area, settings.grow)


def cluster_and_select(
    features: Tensor, activation: Activation, settings: DiscoverySettings
) -> tuple[Tensor, Fragments, Tensor]:
    """The first half of ``discover_by_clusters``: cluster of each cell [h, w], the fragments, and
    which of them are kept for each name, bool [P, F]."""
    if settings.centres == "semantic":
        centres = semantic_centres(features, activation, settings.k)
    else:
        centres = grid_centres(features, settings.k)
    labels, _ = kmeans(features, centres, settings.max_iterations, settings.rtol)
    fragments = find_fragments(labels, activation.active)
    keep = select_fragments(
        fragments,
        settings.activation_share,
        settings.boundary_rule,
        settings.boundary_score,
        settings.min_radius,
    )
    return labels, fragments, keep


def discover_by_watershed(
    features: Tensor, activation: Activation, settings: DiscoverySettings
) -> Objects:
    """Soft boundaries: a marker-based watershed over the gradient of the features; needs no k.

    Each of ``more_radii`` cuts the regions anew: what is one object at one radius may be two at
    another. All are candidates; the segmenter's predicted IoU and the suppression of duplicates
    choose.
    """
    strength = boundary_strength(features, settings.smoothing)
    labels = (
        share_out(strength, activation.active, settings.quantile, radius)
        for radius in (settings.radius, *settings.more_radii)
    )
    return Objects.distinct(
        [to_objects(without_small(label, settings.min_area), features.device) for label in labels]
    )
