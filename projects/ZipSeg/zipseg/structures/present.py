"""Which categories an image shows."""

from typing import NamedTuple

from torch import Tensor


class Present(NamedTuple):
    """The categories judged present in one image, best first."""

    category: Tensor  # int64 [P], indices into the list of names
    score: Tensor  # float32 [P] in 0..1, the image-level score S_img
