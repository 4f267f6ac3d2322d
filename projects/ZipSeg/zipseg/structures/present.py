"""Which categories an image shows."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from .checked import Rows


@dataclass(frozen=True, eq=False)
class Present(Rows):
    """The P categories judged present in one image, best first.

    Attributes:
        category: places in the model's ``names``, int64 [P].
        score: the image-level score S_img, 0..1, float [P].
    """

    category: Annotated[Tensor, "P", int]
    score: Annotated[Tensor, "P", float]
