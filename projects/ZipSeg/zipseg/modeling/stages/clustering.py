"""The boundary prior's clusters: K-Means over the cells of a feature map, and where it starts."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...structures import Activation
from .stage import Stage

SUBSPACE = 32  # dimensions in which the movement of centres is followed exactly
FEW_ROWS = 128  # matrix products of fewer rows may round differently from larger ones
BLOCK = 1 << 18  # values taken up at a time, so that they stay in a CPU's cache
GPU_BLOCK = 1 << 27  # a GPU is faster the fewer the calls; 1 GiB in double precision


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

    Gives the labels of the plain procedure in double precision (all distances by ``torch.cdist``,
    the first of equal minima, a mean over each cluster; stop at ``torch.allclose(new, old, rtol)``)
    while it measures only the points that could have changed, in single precision where that
    decides: see ``_NearestCentre``. One cell on the wrong side of a near tie can send later
    iterations elsewhere, so centres and sums are double. Sums of single-precision features in
    double precision are exact for all practical purposes, so they may follow the points that did
    change.

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
    points = points.to(torch.promote_types(points.dtype, torch.float32)).contiguous()
    nearest = _NearestCentre(points, centres.double())
    sums, counts = torch.zeros_like(nearest.centres), 0
    for _ in range(max_iterations):
        cells, before, after = nearest.assign()
        weights = torch.nn.functional.one_hot(after, len(centres) + 1)
        weights = weights - torch.nn.functional.one_hot(before, len(centres) + 1)
        weights = weights[:, :-1]
        sums += _weighted_sums(points, cells, weights)
        counts = counts + weights.sum(dim=0)[:, None]
        means = torch.where(counts > 0, sums / counts, nearest.centres)
        if torch.allclose(means, nearest.centres, rtol=rtol):
            break
        nearest.move(means)
    return nearest.label.reshape(grid), nearest.centres.to(points.dtype)


class _NearestCentre:
    """The nearest centre of every point while the centres move.

    For each point x and centre c, both from the mean of all points and in single precision, it
    holds a lower bound of |x - c|^2 - |x|^2 = |c|^2 - 2 x.c, exact when x was last measured. From
    there on the bound moves with the centre by d: by the true 2 x.d within a small subspace
    (spanned by the first centres, which makes the first bounds exact, and some of the points, where
    features vary most), and by at most 2 |x'| |d'| for the parts outside of it (Cauchy-Schwarz).
    All bounds together are one small matrix product; only a point that they leave more than one
    centre is measured again. What single precision leaves open is settled by ``torch.cdist``
    itself, on the given values in double precision.
    """

    def __init__(self, points: Tensor, centres: Tensor) -> None:
        m, channels = points.shape
        self.points, self.centres, self.mean = points, centres, points.mean(dim=0)
        everywhere = torch.arange(m, device=points.device)
        sample = self._offsets(_evenly_spaced(m, SUBSPACE, points.device))
        spanned = torch.cat([self._centre_offsets(), sample.double()]).T
        self.basis = torch.linalg.qr(spanned)[0]
        basis = self.basis.float()
        self.norm, inside = points.new_empty(m, dtype=torch.float32), []
        for cells in _blocks(everywhere, channels):
            rows = self._offsets(cells)
            self.norm[cells] = rows.square().sum(dim=1)
            inside.append(rows @ basis)
        if not self.norm.isfinite().all():
            raise ValueError("the features to cluster hold values that are not finite")
        inside = torch.cat(inside).T
        # How far rounding may move a product, relative to the norms of its factors.
        rounding = torch.finfo(torch.float32).eps * (channels**0.5 + 4)
        self.rounding = 8 * rounding
        outside = (self.norm - inside.square().sum(dim=0)).clamp_min(0)
        self.outside = (outside + rounding * self.norm).sqrt()
        self.query = torch.cat([inside, self.outside[None], torch.ones_like(self.norm)[None]])
        self.drift = centres.new_zeros(len(centres))  # 2 |d'| added up over all moves
        self.own_drift = centres.new_zeros(m)  # that of a point's centre when it was measured
        # What to add to ``_moving_part() @ query`` for the bounds.
        self.anchor = self.norm.new_zeros((len(centres), m))
        self.label = torch.full((m,), len(centres), device=points.device)

    def move(self, centres: Tensor) -> None:
        step = centres - self.centres
        outside = step.square().sum(dim=1) - (step @ self.basis).square().sum(dim=1)
        self.drift += 2 * outside.clamp_min(0).sqrt()
        self.centres = centres

    def assign(self) -> tuple[Tensor, Tensor, Tensor]:
        """Brings the labels up to date.

        Returns:
            The cells [n] that changed, their labels before and after; a point without a label yet
            has label k.
        """
        moving = self._moving_part()
        bound = torch.addmm(self.anchor, moving, self.query)
        if self.label[0] == len(self.centres):  # nothing has moved yet, so the bounds are exact
            cells, distance = torch.arange(len(self.label), device=bound.device), bound
        else:
            cells = self._doubtful(bound)
            distance = self._measure(cells)
        before, after = self.label[cells], self._nearest(distance, cells)
        self.anchor[:, cells] = distance - moving @ self.query[:, cells]
        self.label[cells] = after
        self.own_drift[cells] = self.drift[after]
        changed = (after != before).nonzero()[:, 0]
        return cells[changed], before[changed], after[changed]

    def _offsets(self, cells: Tensor) -> Tensor:
        """The points [n, C] at ``cells`` from the mean of all, in single precision."""
        return (self.points[cells] - self.mean).float()

    def _centre_offsets(self) -> Tensor:
        """The centres [k, C] from the mean of the points, in double precision."""
        return self.centres - self.mean.double()

    def _measure(self, cells: Tensor) -> Tensor:
        """|c|^2 - 2 x.c, [k, n], of the points at ``cells``."""
        offset = self._centre_offsets()
        norm, offset = offset.square().sum(dim=1, keepdim=True).float(), offset.float()
        return torch.cat(
            [
                torch.addmm(norm, offset, self._offsets(part).T, alpha=-2)
                for part in _blocks(cells, self.points.shape[1])
            ],
            dim=1,
        )

    def _moving_part(self) -> Tensor:
        """[k, s + 2]: times ``query``, that part of the bounds which changes with the centres."""
        offset = self._centre_offsets()
        norm = offset.square().sum(dim=1, keepdim=True)
        return torch.cat([-2 * offset @ self.basis, -self.drift[:, None], norm], dim=1).float()

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
        """How far rounding may move the difference of two distances or bounds, [M]."""
        largest = self._centre_offsets().square().sum(dim=1).max().float()
        return self.rounding * (self.norm + largest + self.outside * self.drift.max().float())

    def _settle(self, cells: Tensor) -> Tensor:
        """Labels [n] of the points at ``cells`` as ``torch.cdist`` over all points decides them."""
        if len(self.points) <= FEW_ROWS:
            return torch.cdist(self.points.double(), self.centres).argmin(dim=1)[cells]
        labels = []
        for part in _blocks(cells, self.points.shape[1]):
            size = max(len(part), FEW_ROWS)
            rows = self.points[part[torch.arange(size, device=part.device) % len(part)]].double()
            distance = torch.cdist(rows, self.centres, compute_mode="use_mm_for_euclid_dist")
            labels.append(distance.argmin(dim=1)[: len(part)])
        return torch.cat(labels)


def _weighted_sums(points: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """weights.T @ points[cells], [k, C] in double precision, for weights [n, k]."""
    weights, channels = weights.double().T.contiguous(), points.shape[1]
    sums, start = weights.new_zeros((len(weights), channels)), 0
    for part in _blocks(cells, channels):
        sums.addmm_(weights[:, start : start + len(part)], points[part].double())
        start += len(part)
    return sums


def _blocks(cells: Tensor, channels: int) -> tuple[Tensor, ...]:
    """``cells`` [n] in parts of few enough points; one part at least."""
    values = GPU_BLOCK if cells.is_cuda else BLOCK
    return cells.split(max(values // channels, FEW_ROWS))


def _evenly_spaced(size: int, count: int, device: torch.device) -> Tensor:
    """At most ``count`` different indices over 0..size-1, both ends included."""
    index = torch.linspace(0, size - 1, count, dtype=torch.float64, device=device)
    return index.round().long().unique()
