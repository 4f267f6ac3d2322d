"""Masks as a CLIP sees them: each cut out, alone on a plain ground."""

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from ..masks import mask_boxes, resized_mask
from .clip_naming import input_size
from .preprocess import CLIP_MEAN, normalise

CROPS_AT_ONCE = 32


class ClipCrops(nn.Module):
    """Embeds masked crops.

    Args:
        visual: the image tower of an open_clip model.
    """

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
        self.size = input_size(visual)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Embeddings float32 [N, D] of the N > 0 masks' crops.

        The rest of each mask's box has CLIP's mean colour; an empty mask is nothing but that.

        Args:
            image: RGB, uint8 [3, H, W].
            mask: bool [N, H', W'] of any size, brought to the image's.
        """
        ground = image.new_tensor([255 * mean for mean in CLIP_MEAN], dtype=torch.float32)
        ground, pixels = ground.reshape(3, 1, 1), image.float()
        embeddings = []
        for part in mask.split(CROPS_AT_ONCE):
            part = resized_mask(part, image.shape[-2:])
            masked = torch.where(part[:, None], pixels, ground)
            index = torch.arange(len(part), device=part.device)[:, None]
            boxes = torch.cat([index, mask_boxes(part)], dim=1)
            crops = roi_align(masked, boxes, (self.size, self.size), aligned=True)
            embeddings.append(self.visual(normalise(crops)).float())
        return torch.cat(embeddings)
