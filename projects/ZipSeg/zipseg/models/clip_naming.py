"""Image-level naming by a pass of its own over a CLIP's whole image tower."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .clip_surgery import interpolate_positions
from .preprocess import normalise, resize_square


class ClipNaming(nn.Module):
    """One embedding for each whole image, with the texts it is compared to.

    Args:
        visual: the image tower of an open_clip model.
        text: unit embeddings of C names [C, D] by the same model.
        empty_text: the empty string's [D].
        size: side of the square input, pixels; 0 for the size the tower was made for.
    """

    def __init__(self, visual: nn.Module, text: Tensor, empty_text: Tensor, size: int = 0) -> None:
        super().__init__()
        self.visual = visual
        self.size = size or input_size(visual)
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("empty_text", empty_text, persistent=False)

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        """Embeddings float32 [B, D] of B > 0 RGB images, uint8 [3, H, W] of any sizes."""
        batch = torch.stack([resize_square(image, self.size) for image in images])
        return encode_image(self.visual, normalise(batch)).float()


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
