"""Input images to what the CLIPs expect."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def to_device(image: Tensor, device: torch.device) -> Tensor:
    """The image on a device; on its way to a GPU the host goes on."""
    if device.type == "cuda" and not image.is_cuda:
        return image.pin_memory().to(device, non_blocking=True)
    return image.to(device)


def to_rgb(image: Tensor, input_format: str) -> Tensor:
    """uint8 RGB [3, H, W] of an image in Detectron2's "BGR" or "RGB", values 0..255."""
    if image.dtype != torch.uint8:
        image = image.round().clamp(0, 255).to(torch.uint8)
    return image.flip(0) if input_format == "BGR" else image


def resize_square(image: Tensor, size: int) -> Tensor:
    """The whole image [3, H, W] squeezed to ``size`` x ``size``, bicubic."""
    return _resize(image, (size, size))


def resize_short_side(image: Tensor, size: int, max_size: int) -> Tensor:
    """The short side made ``size`` pixels, less where the long side would pass ``max_size``."""
    height, width = image.shape[-2:]
    scale = min(size / min(height, width), max_size / max(height, width))
    return _resize(image, tuple(max(32, round(scale * side)) for side in (height, width)))


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.resize(image, list(size), InterpolationMode.BICUBIC, antialias=True)


def normalise(
    image: Tensor, mean: Sequence[float] = CLIP_MEAN, std: Sequence[float] = CLIP_STD
) -> Tensor:
    """A network's input, float32 around zero, of uint8 RGB [..., 3, H, W]; CLIP's by default."""
    return (image.float() / 255 - per_channel(mean, image)) / per_channel(std, image)


def per_channel(values: Sequence[float], like: Tensor) -> Tensor:
    """float32 [C, 1, 1] on the device of ``like``, which the host does not wait for."""
    return torch.stack([torch.full((1, 1), value, device=like.device) for value in values])
