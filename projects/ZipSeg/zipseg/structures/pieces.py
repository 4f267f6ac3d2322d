"""What objects were put together from."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from .checked import Checked


@dataclass(frozen=True, eq=False)
class Pieces(Checked):
    """What discovery cut at and into, on the grid of the activation.

    Attributes:
        boundary: where it cut: the cluster of each cell, int64 [h, w], or how strong a boundary
            there is, float [h, w].
        label: the F pieces, int64 [Q, h, w] in 0..F-1, -1 for none; Q is 1 where all categories
            share them, or else P.
        kept: those that are part of an object of any category, bool [F].
    """

    boundary: Annotated[Tensor, "h w"]
    label: Annotated[Tensor, "Q h w", int]
    kept: Annotated[Tensor, "F", bool]
