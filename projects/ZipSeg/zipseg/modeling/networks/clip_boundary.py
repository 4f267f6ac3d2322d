"""The boundary prior: features of a middle layer of a CLIP's image tower."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .memory import free_memory
from .preprocess import normalise, resize_short_side
from .pyramid import find_layer
from .strips import run_in_strips

WHOLE = 8  # strips' pixels up to which an image is run at once
GPU_BYTES = 1024  # a pixel of what runs at once on a GPU, twice what RN50x64 takes


class ClipBoundary(nn.Module):
    """A tower up to and including a layer; the rest of it is not kept.

    Args:
        visual: the image tower: a ResNet, ConvNeXt or ViT of open_clip.
        layer: its name or stride, see ``find_layer``.
        size: pixels that the short side of images is made, and the most that the long side is.
        strip_pixels: images of more than ``WHOLE`` times as many pixels run in strips of so many,
            with the same features and less memory; 0 for never. A GPU runs at once what it has the
            memory for.

    Raises:
        ConfigError: a tower of another kind, or one that has no such layer.
    """

    def __init__(
        self,
        visual: nn.Module,
        layer: str = "layer3",
        size: tuple[int, int] = (2048, 8192),
        strip_pixels: int = 2**18,
    ) -> None:
        super().__init__()
        found = find_layer(visual, layer, "MODEL.ZIP.BOUNDARY")
        self.name, self.stride, self._steps = found
        self.layers = nn.ModuleList(step.module for step in found.steps)
        self.size = size
        self.strip_pixels = strip_pixels

    def encode(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Features [C, h, w] of RGB images, uint8 [3, H, W]; those of a size once they are resized
        in one pass."""
        resized = [resize_short_side(image, *self.size) for image in images]
        features: dict[int, Tensor] = {}
        for size in {image.shape for image in resized}:
            places = [i for i, image in enumerate(resized) if image.shape == size]
            batch = self(normalise(torch.stack([resized[i] for i in places])))
            features |= dict(zip(places, batch, strict=True))
        return [features[i] for i in range(len(images))]

    def forward(self, images: Tensor) -> Tensor:
        """Features float32 [B, C, H / stride, W / stride] of normalised images [B, 3, H, W]."""
        if self.strip_pixels and not self._fits(images):
            return run_in_strips(self._steps, images, self.strip_pixels).float()
        for module in self.layers:
            images = module(images)
        return images.float()

    def _fits(self, images: Tensor) -> bool:
        """Whether they can run at once."""
        if images.is_cuda and images[:, 0].numel() * GPU_BYTES < free_memory(images.device):
            return True
        return images[0, 0].numel() <= WHOLE * self.strip_pixels
