"""Where each present category is."""

from typing import NamedTuple

from torch import Tensor


class Activation(NamedTuple):
    """Where each present category is, on the boundary feature grid."""

    similarity: Tensor  # float32 [P, h, w] in 0..1
    active: Tensor  # bool [P, h, w]
