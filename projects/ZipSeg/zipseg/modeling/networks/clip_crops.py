"""Masks as a CLIP sees them: each cut out, alone on a plain ground."""

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from ...structures.masks import distinct_masks, mask_boxes, resized_mask
from .clip_classifier import encode_image, input_size
from .preprocess import CLIP_MEAN, normalise, per_channel

CROPS_AT_ONCE = 32
MARGIN = 0.15  # around a mask, as a share of the longer side of its box


class ClipCrops(nn.Module):
    """Embeds masked crops.

    Args:
        visual: the image tower of an open_clip model.
        size: side of the crops, pixels; 0 for the size the tower was made for.
    """

    def __init__(self, visual: nn.Module, size: int = 0) -> None:
        super().__init__()
        self.visual = visual
        self.size = size or input_size(visual)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Embeddings float32 [N, D] of the N > 0 masks' crops.

        A crop is a square around the mask's box. All of it but the mask has CLIP's mean colour; an
        empty mask is nothing but that.

        Args:
            image: RGB, uint8 [3, H, W].
            mask: bool [N, H', W'] of any size, brought to the image's.
        """
        ground = per_channel([255 * mean for mean in CLIP_MEAN], image)
        pixels = image.float()
        embeddings = []
        first, place = distinct_masks(mask)
        for part in mask[first].split(CROPS_AT_ONCE):
            part = resized_mask(part, image.shape[-2:])
            # Beyond the image the sampling finds 0, which the ground is taken to be.
            masked = torch.where(part[:, None], pixels - ground, 0)
            index = torch.arange(len(part), device=part.device)[:, None]
            boxes = torch.cat([index, _squares(mask_boxes(part))], dim=1)
            crops = roi_align(masked, boxes, (self.size, self.size), aligned=True) + ground
            embeddings.append(encode_image(self.visual, normalise(crops)).float())
        return torch.cat(embeddings)[place]


def _squares(boxes: Tensor) -> Tensor:
    """Squares XYXY around boxes [N, 4], with the margin."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) * (1 + MARGIN) / 2
    return torch.cat([centre - half, centre + half], dim=1)
