"""Several ways of discovery, and several regions for each: all their proposals are candidates."""

from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

from torch import Tensor

from ...structures import Activation, Pieces, Proposals
from .discovery import Discovery
from .stage import ConstantError


@dataclass(frozen=True)
class Pool(Discovery):
    """The proposals of several ways, in the activated regions and in those of other thresholds;
    their sources are numbered on, their pieces the first's.

    Where a region ends is a matter of a threshold, which is right for some objects only: at a low
    one neighbours run into each other, at a high one objects are cut.

    Args:
        ways: at least one.
        levels: similarities, 0..1; all that exceeds one is looked at as well.
    """

    SECTIONS: ClassVar = ("DISCOVERY",)
    ANY_GRID: ClassVar[bool] = True  # each way checks its own
    ways: tuple[Discovery, ...] = ()
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(0 <= level <= 1 for level in self.levels):
            raise ConstantError("levels", f"{list(self.levels)} are not similarities in 0..1")

    @property
    def needed_share(self) -> float:
        return min(way.needed_share for way in self.ways)

    def discover(
        self, features: Tensor, activation: Activation, image_size: tuple[int, int]
    ) -> tuple[Proposals, Pieces]:
        found, first = [], 0
        others = [
            replace(activation, active=activation.similarity > level) for level in self.levels
        ]
        for regions, way in product((activation, *others), self.ways):
            proposals, pieces = way(features, regions, image_size)
            found.append((replace(proposals, source=proposals.source + first), pieces))
            first += int(proposals.source.max()) + 1 if len(proposals) else 1
        return Proposals.distinct([each for each, _ in found]), found[0][1]
