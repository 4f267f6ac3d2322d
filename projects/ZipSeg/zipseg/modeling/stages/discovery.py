"""Discovery: from boundary features and activations to objects, by clusters or soft boundaries."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...structures import Activation, Proposals
from .clustering import grid_centres, kmeans, semantic_centres
from .fragments import Fragments, active_in_common_clusters, find_fragments, select_fragments
from .regrouping import regroup, to_proposals, without_small
from .silhouette import share_out_by_depth
from .watershed import boundary_strength, share_out


class DiscoverySettings(NamedTuple):
    """The constants of discovery; the defaults are the released demo's, lengths in cells."""

    method: str = "clusters"  # or "watershed" or "silhouette"
    min_area: int = 100
    k: int = 20
    centres: str = "grid"  # or "semantic"
    max_iterations: int = 100
    rtol: float = 1e-5
    most_common: int = 0  # 20: the demo's quirk, see active_in_common_clusters
    activation_share: float = 0.3
    boundary_rule: str = "box_area"  # or "inscribed_radius"
    boundary_score: float = 3.0
    min_radius: float = 2.0
    grow: int = 0
    quantile: float = 0.75
    radius: float = 3.5
    more_radii: tuple[float, ...] = ()
    prominence: float = 0.2
    more_prominences: tuple[float, ...] = ()
    smoothing: float = 1.0


def discover(features: Tensor, activation: Activation, settings: DiscoverySettings) -> Proposals:
    """The objects of all present names, in cells of the activation's grid.

    Args:
        features: boundary features [C, h, w].
        activation: on the same grid or, for soft boundaries, a finer one.

    Raises:
        ValueError: features that are not finite.
    """
    by_clusters = settings.method == "clusters"
    method = discover_by_clusters if by_clusters else discover_by_soft_boundaries
    with torch.autocast(features.device.type, enabled=False):
        return method(features, activation, settings)


def discover_by_clusters(
    features: Tensor, activation: Activation, settings: DiscoverySettings
) -> Proposals:
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
    active = active_in_common_clusters(labels, activation.active, settings.most_common)
    fragments = find_fragments(labels, active)
    keep = select_fragments(
        fragments,
        settings.activation_share,
        settings.boundary_rule,
        settings.boundary_score,
        settings.min_radius,
    )
    return labels, fragments, keep


def discover_by_soft_boundaries(
    features: Tensor, activation: Activation, settings: DiscoverySettings
) -> Proposals:
    """A marker-based watershed over the gradient of the features; needs no k.

    With ``more_radii`` (``more_prominences``) the regions are cut anew for each: what is one object
    at one radius may be two at another. All are candidates; the segmenter's predicted IoU and the
    suppression of duplicates choose.
    """
    _, labels = share_out_softly(features, activation, settings)
    return Proposals.distinct(
        [to_proposals(without_small(label, settings.min_area), features.device) for label in labels]
    )


def share_out_softly(
    features: Tensor, activation: Activation, settings: DiscoverySettings
) -> tuple[Tensor, list[NDArray]]:
    """The boundary strength [h, w] on the activation's grid and the regions' shares [P, h, w] at
    each radius or prominence, 0 for none."""
    active = activation.active
    strength = boundary_strength(features, settings.smoothing)
    if strength.shape != active.shape[-2:]:
        strength = F.interpolate(strength[None, None], active.shape[-2:], mode="bilinear")[0, 0]
    if settings.method == "watershed":
        share, levels = share_out, (settings.radius, *settings.more_radii)
    else:
        share, levels = share_out_by_depth, (settings.prominence, *settings.more_prominences)
    return strength, share(strength, active, settings.quantile, levels)
