"""Discovery: from boundary features and activations to objects. The paper's way, and the registry.

``extensions`` holds other ways.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from detectron2.utils.registry import Registry
from torch import Tensor

from ...structures import Activation, Pieces, Proposals
from .clustering import Cluster
from .fragments import Fragments, SelectFragments, find_fragments
from .regrouping import Regroup, to_proposals
from .stage import Stage

DISCOVERY_REGISTRY = Registry("DISCOVERY")
DISCOVERY_REGISTRY.__doc__ = """
Subclasses of ``Discovery``, by the name of ``MODEL.ZIP.DISCOVERY.NAME``.
"""


@dataclass(frozen=True)
class Discovery(Stage, ABC):
    """The objects of all present categories.

    Args:
        min_area: smaller objects are removed, cells of the activation's grid.

    Attributes:
        ANY_GRID: the activation's grid may be finer than the features'.
    """

    SECTIONS: ClassVar = ("DISCOVERY",)
    ANY_GRID: ClassVar[bool] = False
    min_area: int = 100

    def __call__(
        self, features: Tensor, activation: Activation, image_size: tuple[int, int]
    ) -> tuple[Proposals, Pieces]:
        """Proposals in pixels, and the pieces that they were put together from.

        Args:
            features: boundary features [C, h, w].
            activation: on the same grid or, with ``ANY_GRID``, a finer one.
            image_size: (height, width) in pixels of the image that both cover.

        Raises:
            ValueError: features that are not finite; an activation on another grid.
        """
        if not self.ANY_GRID and activation.grid != features.shape[1:]:
            raise ValueError(
                f"{type(self).__name__}: the activation's grid {activation.grid} is not the "
                f"features' {tuple(features.shape[1:])}"
            )
        with torch.autocast(features.device.type, enabled=False):
            return self.discover(features, activation, image_size)

    @property
    @abstractmethod
    def needed_share(self) -> float:
        """The share of an object that has to be activated for it to be found at an IoU of 0.5."""

    @abstractmethod
    def discover(
        self, features: Tensor, activation: Activation, image_size: tuple[int, int]
    ) -> tuple[Proposals, Pieces]:
        """What a call returns, in full precision."""


@DISCOVERY_REGISTRY.register()
@dataclass(frozen=True)
class Clusters(Discovery):
    """The paper's way: K-Means, fragments, selection, regrouping."""

    cluster: Cluster = field(default_factory=Cluster)
    select: SelectFragments = field(default_factory=SelectFragments)
    regroup: Regroup = field(default_factory=Regroup)

    @property
    def needed_share(self) -> float:
        return self.select.activation_share

    def discover(
        self, features: Tensor, activation: Activation, image_size: tuple[int, int]
    ) -> tuple[Proposals, Pieces]:
        labels = self.cluster(features, activation)
        fragments = self.fragments(labels, activation)
        keep = self.select(fragments)
        proposals = self.unite(fragments, keep, activation, image_size)
        return proposals, Pieces(labels, fragments.label[None], keep.any(dim=0))

    def fragments(self, labels: Tensor, activation: Activation) -> Fragments:
        """The pieces of the clusters of all cells, int64 [h, w]."""
        return find_fragments(labels, self.select.considered(labels, activation.active))

    def unite(
        self,
        fragments: Fragments,
        keep: Tensor,
        activation: Activation,
        image_size: tuple[int, int],
    ) -> Proposals:
        """The objects of each category's kept fragments, bool [P, F]."""
        label = self.regroup(fragments, keep, activation.active, self.min_area)
        return to_proposals(label, image_size, keep.device)
