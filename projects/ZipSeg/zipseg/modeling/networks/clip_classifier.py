"""Image-level classification by a pass of its own over a CLIP's whole image tower."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from .preprocess import normalise, resize_square
from .vit import interpolate_positions


class ClipClassifier(nn.Module):
    """Embeddings of images or of windows into them, with the texts to compare them to.

    Args:
        visual: the image tower of an open_clip model.
        text: unit embeddings of C names [C, D] by the same model.
        empty_text: the empty string's [D].
        size: side of the square input, pixels; 0 for the size the tower was made for.
        windows: sides of windows, 0 < side <= 1 of the image's; those of one size overlap by half,
            and 1 is the whole image.

    Attributes:
        counts: how many windows there are of each size.
    """

    def __init__(
        self,
        visual: nn.Module,
        text: Tensor,
        empty_text: Tensor,
        size: int = 0,
        windows: Sequence[float] = (1.0,),
    ) -> None:
        super().__init__()
        self.visual = visual
        self.size = size or input_size(visual)
        self._views = [_corners(side) for side in windows]
        self.counts = tuple(map(len, self._views))
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("empty_text", empty_text, persistent=False)

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        """Embeddings float32 [B, V, D] of all V windows of B > 0 RGB images, uint8 [3, H, W] of any
        sizes."""
        batch = torch.stack(
            [
                resize_square(_view(image, corners), self.size)
                for image in images
                for corners in itertools.chain(*self._views)
            ]
        )
        embedding = encode_image(self.visual, normalise(batch)).float()
        return embedding.unflatten(0, (len(images), -1))


def _corners(side: float) -> list[tuple[float, float, float, float]]:
    """Top, left, bottom, right in 0..1 of the fewest windows of a side that overlap by half."""
    starts = np.linspace(0, 1 - side, math.ceil(2 * (1 - side) / side) + 1).tolist()
    return [(y, x, y + side, x + side) for y in starts for x in starts]


def _view(image: Tensor, corners: tuple[float, float, float, float]) -> Tensor:
    height, width = image.shape[-2:]
    sides = (height, width, height, width)
    top, left, bottom, right = (round(c * n) for c, n in zip(corners, sides, strict=True))
    return image[:, top : max(bottom, top + 1), left : max(right, left + 1)]


def input_size(visual: nn.Module) -> int:
    """Side in pixels of the input that a CLIP's image tower was made for."""
    size = visual.image_size
    return size if isinstance(size, int) else size[0]


def encode_image(visual: nn.Module, images: Tensor) -> Tensor:
    """Class embeddings [B, D] of normalised images [B, 3, S, S] by an image tower; its positions
    are interpolated if S is not its own input size."""
    own, size = input_size(visual), images.shape[-1]
    if size == own:
        return visual(images)
    is_vit = hasattr(visual, "patch_size")
    name = "positional_embedding" if is_vit else "attnpool.positional_embedding"
    stride = visual.patch_size[0] if is_vit else 32
    old, new = (own // stride,) * 2, (size // stride,) * 2
    positions = interpolate_positions(visual.get_parameter(name), old, new)
    return functional_call(visual, {name: positions}, (images,))
