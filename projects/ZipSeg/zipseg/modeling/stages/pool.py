"""Several ways of discovery at once: all their proposals are candidates."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from ...structures import Activation, Pieces, Proposals
from .discovery import Discovery


@dataclass(frozen=True)
class Pool(Discovery):
    """The proposals of several ways; their sources are numbered on, their pieces the first's.

    Args:
        ways: at least one.
    """

    ANY_GRID: ClassVar[bool] = True  # each way checks its own
    ways: tuple[Discovery, ...] = ()

    @property
    def needed_share(self) -> float:
        return min(way.needed_share for way in self.ways)

    def discover(
        self, features: Tensor, activation: Activation, image_size: tuple[int, int]
    ) -> tuple[Proposals, Pieces]:
        found, first = [], 0
        for way in self.ways:
            proposals, pieces = way(features, activation, image_size)
            found.append((replace(proposals, source=proposals.source + first), pieces))
            first += int(proposals.source.max()) + 1 if len(proposals) else 1
        return Proposals.distinct([each for each, _ in found]), found[0][1]
