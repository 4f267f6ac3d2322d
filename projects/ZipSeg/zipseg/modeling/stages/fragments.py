"""Fragments: the connected pieces of clusters, and which of them belong to an object."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import skimage.measure
import torch
from torch import Tensor

from ...structures.checked import Checked
from . import regions
from .stage import Stage


@dataclass(frozen=True, eq=False)
class Fragments(Checked):
    """The F connected pieces of all clusters; lengths in cells of the feature grid.

    Attributes:
        label: int64 [h, w], 0..F-1.
        area: int64 [F].
        box: XYXY with exclusive ends, int64 [F, 4].
        radius: of the largest inscribed circle, float [F].
        share: activated cells / all cells of each category, 0..1, float [P, F].
    """

    label: Annotated[Tensor, "h w", int]
    area: Annotated[Tensor, "F", int]
    box: Annotated[Tensor, "F 4", int]
    radius: Annotated[Tensor, "F", float]
    share: Annotated[Tensor, "P F", float]


def find_fragments(labels: Tensor, active: Tensor) -> Fragments:
    """Splits every cluster into 4-connected fragments, all in one pass over the label map.

    Args:
        labels: cluster of each cell, int64 [h, w], >= 0.
        active: activated regions, bool [P, h, w].
    """
    label = skimage.measure.label(labels.cpu().numpy(), background=-1, connectivity=1)
    label = label.astype(np.int64) - 1
    flat, (row, column) = label.ravel(), np.indices(label.shape).reshape(2, -1)
    area = np.bincount(flat)
    radius = np.zeros(len(area), np.float32)
    np.maximum.at(radius, flat, regions.depth(label[None]).ravel())
    box = regions.boxes(flat, row, column, len(area))
    label, area, box, radius = (
        torch.from_numpy(each).to(labels.device) for each in (label, area, box, radius)
    )
    inside = torch.zeros((len(active), len(area)), device=labels.device)
    inside.index_add_(1, label.flatten(), active.flatten(1).float())
    return Fragments(label, area, box, radius, inside / area)


def active_in_common_clusters(labels: Tensor, active: Tensor, most_common: int) -> Tensor:
    """The activated cells of each category, bool [P, h, w], that lie in its common clusters.

    In the released demo a category's fragments come from the 20 most common values of (cluster + 1)
    x activated, the 0 of what is not activated among them. Of 20 clusters with activated cells, the
    one with the fewest is thus left out. Among equally common values the first in the image wins.

    Args:
        labels: cluster of each cell, int64 [h, w], >= 0.
        active: activated regions, bool [P, h, w].
        most_common: how many values; 0 for all of them.
    """
    if not most_common:
        return active
    common = active.cpu().numpy().copy()
    values = (labels.cpu().numpy() + 1) * common
    for plane, value in zip(common, values, strict=True):
        kinds, first, count = np.unique(value, return_index=True, return_counts=True)
        rare = kinds[np.lexsort((first, -count))[most_common:]]
        plane &= ~np.isin(value, rare)
    return torch.from_numpy(common).to(active.device)


@dataclass(frozen=True)
class SelectFragments(Stage):
    """Which fragments are part of an object of each category.

    A fragment is kept when enough of it is activated and it is no rim. Rims are thin and long.

    Args:
        activation_share: theta_1; more than this share of a fragment has to be activated.
        boundary_rule: "box_area" (the paper's boundary score) keeps fragments whose bounding box
            has less than ``boundary_score`` (theta_2) times their area; "inscribed_radius" keeps
            those in which a circle of ``min_radius`` cells fits.
        most_common: see ``active_in_common_clusters``; 20 is the demo's, 0 looks at all clusters.
    """

    SECTIONS: ClassVar = ("SELECTION",)
    activation_share: float = 0.3
    boundary_rule: str = "box_area"
    boundary_score: float = 3.0
    min_radius: float = 2.0
    most_common: int = 0

    def __post_init__(self) -> None:
        self._check_one_of("boundary_rule", ("box_area", "inscribed_radius"))

    def considered(self, labels: Tensor, active: Tensor) -> Tensor:
        """The activated cells, bool [P, h, w], that fragments are judged by."""
        return active_in_common_clusters(labels, active, self.most_common)

    def __call__(self, fragments: Fragments) -> Tensor:
        """Those kept, bool [P, F]."""
        if self.boundary_rule == "inscribed_radius":
            solid = fragments.radius >= self.min_radius
        else:
            size = fragments.box[:, 2:] - fragments.box[:, :2]
            solid = size.prod(dim=1) / fragments.area < self.boundary_score
        return (fragments.share > self.activation_share) & solid
