"""The boundary prior's clusters: K-Means over the cells of a feature map, and where it starts."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...structures import Activation
from .stage import Stage

SUBSPACE = 32  # dimensions in which the movement of centres is followed exactly
BLOCK = 512  # rows summed in single precision before double precision takes over
FEW_ROWS = 128  # matrix products of fewer rows may round differently from larger ones


@dataclass(frozen=True)
class Cluster(Stage):
    """K-Means over the cells of the boundary features.

    Args:
        k: how many clusters.
        centres: where it starts: "grid" (the demo: ``grid_centres``) or "semantic"
            (``semantic_centres``).
        max_iterations: at most so many.
        rtol: centres closer than this share of their value have converged.
    """

    SECTIONS: ClassVar = ("CLUSTERING",)
    k: int = 20
    centres: str = "grid"
    max_iterations: int = 100
    rtol: float = 1e-5

    def __post_init__(self) -> None:
        self._check_least("k", 1)
        self._check_one_of("centres", ("grid", "semantic"))
        self._check_least("max_iterations", 1)

    def __call__(self, features: Tensor, activation: Activation) -> Tensor:
        """The cluster of each cell, int64 [h, w], of features [C, h, w].

        Raises:
            ValueError: features that are not finite.
        """
        if self.centres == "semantic":
            centres = semantic_centres(features, activation, self.k)
        else:
            centres = grid_centres(features, self.k)
        labels, _ = kmeans(features, centres, self.max_iterations, self.rtol)
        return labels


def grid_centres(features: Tensor, k: int) -> Tensor:
    """Initial centres [<= k, C]: the features at round(linspace(0, h * w - 1, k)), as in the demo.

    Args:
        features: [C, h, w].
    """
    points = features.flatten(1)
    return points[:, _evenly_spaced(points.shape[1], k, points.device)].T.contiguous()


def semantic_centres(features: Tensor, activation: Activation, k: int) -> Tensor:
    """Initial centres [<= k, C] where the activation maps say that something is.

    Our reading of the paper's semantic-aware initialisation. Every cell belongs to the name that
    activates it most, or to the background. Each region receives centres in proportion to the
    square root of its area, so that small objects are not left out, and they are spread evenly over
    its cells as ranked by activation: from the core of what is named to its outskirts.

    Args:
        features: [C, h, w].
    """
    active = activation.active.flatten(1)
    masked = activation.similarity.flatten(1).float().masked_fill(~active, -1)
    background = masked.new_zeros((1, masked.shape[1]))
    strength, region = torch.cat([masked, background]).max(dim=0)
    order = strength.argsort(descending=True, stable=True)
    order = order[region[order].argsort(stable=True)]
    area = region.bincount().double()
    position = (1 / area.sqrt())[region[order]].cumsum(0)
    step = position[-1] / k
    wanted = step * (torch.arange(k, dtype=torch.float64, device=step.device) + 0.5)
    cells = order[torch.searchsorted(position, wanted)].unique()
    return features.flatten(1)[:, cells].T.contiguous()


def kmeans(
    features: Tensor, centres: Tensor, max_iterations: int = 100, rtol: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """Lloyd's iterations in Euclidean distance; an empty cluster keeps its centre.

    Gives the labels of the plain procedure (all distances by ``torch.cdist``, the first of equal
    minima, a mean over each cluster; stop at ``torch.allclose(new, old, rtol)``) while it measures
    only the points that could have changed: see ``_NearestCentre``. Sums follow the points that did
    change, in double precision.

    Args:
        features: [C, h, w] or [M, C].
        centres: initial centres [k, C].

    Returns:
        Labels int64 [h, w] or [M] in 0..k-1, and the centres [k, C] they were assigned to.

    Raises:
        ValueError: features that are not finite.
    """
    grid = features.shape[1:] if features.ndim == 3 else features.shape[:1]
    points = features.flatten(1).T if features.ndim == 3 else features
    points = points.contiguous() if points.dtype == torch.float64 else points.contiguous().float()
    nearest = _NearestCentre(points, centres.to(points))
    sums, counts = centres.new_zeros(centres.shape, dtype=torch.float64), 0
    for _ in range(max_iterations):
        moved, before, after = nearest.assign()
        weights = torch.nn.functional.one_hot(after, len(centres) + 1)
        weights = weights - torch.nn.functional.one_hot(before, len(centres) + 1)
        weights = weights[:, :-1]
        sums += _weighted_sums(moved, weights)
        counts = counts + weights.sum(dim=0)[:, None]
        means = (sums / counts).to(points)
        means = torch.where(counts > 0, means, nearest.centres)
        if torch.allclose(means, nearest.centres, rtol=rtol):
            break
        nearest.move(means)
    return nearest.label.reshape(grid), nearest.centres


class _NearestCentre:
    """The nearest centre of every point while the centres move.

    For each point x and centre c it holds a lower bound of |x - c|^2 - |x|^2 = |c|^2 - 2 x.c, exact
    when x was last measured. From there on the bound moves with the centre by d: by the true 2 x.d
    within a small subspace (spanned by the first centres, which makes the first bounds exact, and
    some of the points, where features vary most), and by at most 2 |x'| |d'| for the parts outside
    of it (Cauchy-Schwarz). All bounds together are one small matrix product; only a point that they
    leave more than one centre is measured again. What rounding could decide is settled by
    ``torch.cdist`` itself.
    """

    def __init__(self, points: Tensor, centres: Tensor) -> None:
        m, channels = points.shape
        self.points, self.centres = points, centres
        self.norm = torch.linalg.vector_norm(points, dim=1).square()
        if not self.norm.isfinite().all():
            raise ValueError("the features to cluster hold values that are not finite")
        sample = points[_evenly_spaced(m, SUBSPACE, points.device)]
        self.basis = torch.linalg.qr(torch.cat([centres, sample]).T)[0]
        inside = points @ self.basis
        outside = (self.norm - inside.square().sum(dim=1)).clamp_min(0)
        self.outside = (outside + 1e-6 * self.norm).sqrt()
        one = torch.ones_like(self.norm)
        self.query = torch.cat([inside, self.outside[:, None], one[:, None]], dim=1).T
        self.rounding = 8 * torch.finfo(points.dtype).eps * (channels**0.5 + 4)
        self.drift = centres.new_zeros(len(centres))  # 2 |d'| added up over all moves
        self.own_drift = points.new_zeros(m)  # that of a point's centre when it was measured
        # What to add to ``_moving_part() @ query`` for the bounds.
        self.anchor = points.new_zeros((len(centres), m))
        self.label = torch.full((m,), len(centres), device=points.device)

    def move(self, centres: Tensor) -> None:
        step = centres - self.centres
        outside = step.square().sum(dim=1) - (step @ self.basis).square().sum(dim=1)
        self.drift += 2 * (outside.clamp_min(0) + 1e-6 * step.square().sum(dim=1)).sqrt()
        self.centres = centres

    def assign(self) -> tuple[Tensor, Tensor, Tensor]:
        """Brings the labels up to date.

        Returns:
            Points [n, C] among which are all that changed, their labels before and after; a point
            without a label yet has label k.
        """
        moving = self._moving_part()
        bound = torch.addmm(self.anchor, moving, self.query)
        everywhere = torch.arange(len(self.points), device=self.points.device)
        if self.label[0] == len(self.centres):
            self.label = self._nearest(bound, everywhere)
            return self.points, torch.full_like(self.label, len(self.centres)), self.label
        cells, rows, query = self._doubtful(bound), self.points, self.query
        if len(cells) > len(rows) // 2:
            cells = everywhere
        else:
            rows, query = rows[cells], query[:, cells]
        norm = self.centres.square().sum(dim=1, keepdim=True)
        distance = torch.addmm(norm, self.centres, rows.T, alpha=-2)
        before, after = self.label[cells], self._nearest(distance, cells)
        self.anchor[:, cells] = distance - moving @ query
        self.label[cells] = after
        self.own_drift[cells] = self.drift[after]
        changed = (after != before).nonzero()[:, 0]
        if len(changed) > len(cells) // 3:  # selecting would cost more than it saves
            return rows, before, after
        return rows[changed], before[changed], after[changed]

    def _moving_part(self) -> Tensor:
        """[k, s + 2]: times ``query``, that part of the bounds which changes with the centres."""
        norm = self.centres.square().sum(dim=1, keepdim=True)
        return torch.cat([-2 * self.centres @ self.basis, -self.drift[:, None], norm], dim=1)

    def _doubtful(self, bound: Tensor) -> Tensor:
        """The points whose bounds [k, M] leave them more than one centre."""
        own = self.label[None]
        slack = 2 * self.outside * (self.drift[self.label] - self.own_drift)
        upper = bound.gather(0, own)[0] + slack
        others = bound.scatter(0, own, torch.inf).amin(dim=0)
        return (others <= upper + self._tolerance()).nonzero()[:, 0]

    def _nearest(self, distance: Tensor, cells: Tensor) -> Tensor:
        """Labels [n] of the points at ``cells`` from |c|^2 - 2 x.c, [k, n]."""
        best, label = distance.min(dim=0)
        second = distance.scatter(0, label[None], torch.inf).amin(dim=0)
        ties = (second <= best + self._tolerance()[cells]).nonzero()[:, 0]
        if len(ties):
            label[ties] = self._settle(cells[ties])
        return label

    def _tolerance(self) -> Tensor:
        """How far rounding may move the difference of two distances, [M]."""
        return self.rounding * (self.norm + self.centres.square().sum(dim=1).max())

    def _settle(self, cells: Tensor) -> Tensor:
        """Labels [n] of the points at ``cells`` as ``torch.cdist`` over all points decides them."""
        if len(self.points) <= FEW_ROWS:
            return torch.cdist(self.points, self.centres).argmin(dim=1)[cells]
        size = max(len(cells), FEW_ROWS)
        rows = self.points[cells[torch.arange(size, device=cells.device) % len(cells)]]
        distance = torch.cdist(rows, self.centres, compute_mode="use_mm_for_euclid_dist")
        return distance.argmin(dim=1)[: len(cells)]


def _weighted_sums(rows: Tensor, weights: Tensor) -> Tensor:
    """weights.T @ rows, [k, C] in double precision, for rows [n, C] and weights [n, k]."""
    weights = weights.to(rows.dtype)
    head = len(rows) // BLOCK * BLOCK
    blocks = weights[:head].reshape(-1, BLOCK, weights.shape[1]).mT @ rows[:head].reshape(
        -1, BLOCK, rows.shape[1]
    )
    return blocks.double().sum(dim=0) + (weights[head:].T @ rows[head:]).double()


def _evenly_spaced(size: int, count: int, device: torch.device) -> Tensor:
    """At most ``count`` different indices over 0..size-1, both ends included."""
    index = torch.linspace(0, size - 1, count, dtype=torch.float64, device=device)
    return index.round().long().unique()
