"""Where each present category is."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from .checked import Rows


@dataclass(frozen=True, eq=False)
class Activation(Rows):
    """Where each of P present categories is, on the boundary features' grid or a finer one.

    Attributes:
        similarity: 0..1, float [P, h, w].
        active: the activated regions, bool [P, h, w].
    """

    similarity: Annotated[Tensor, "P h w", float]
    active: Annotated[Tensor, "P h w", bool]

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w)."""
        return tuple(self.active.shape[1:])
