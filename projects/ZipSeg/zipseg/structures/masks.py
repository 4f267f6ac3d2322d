"""Masks of proposals; stacks of boolean masks, their boxes and other sizes."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .checked import Rows


@dataclass(frozen=True, eq=False)
class Masks(Rows):
    """One mask for each of N proposals.

    Attributes:
        mask: bool [N, H, W].
        iou: the IoU that the segmenter predicts for its mask, 0..1, float [N].
    """

    mask: Annotated[Tensor, "N H W", bool]
    iou: Annotated[Tensor, "N", float]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return tuple(self.mask.shape[1:])


def resized_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks bool [N, H, W] at another size, bilinearly."""
    if tuple(mask.shape[-2:]) == tuple(size) or not len(mask):
        return mask if len(mask) else mask.new_zeros((0, *size))
    return F.interpolate(mask[:, None].float(), size, mode="bilinear")[:, 0] > 0.5


def distinct_masks(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Prompts of several categories and points often have one mask: the places of the first of each
    kind, int64 [D], and for every mask bool [N, H, W] the place of its like among those, int64 [N].
    """
    packed = np.packbits(mask.flatten(1).cpu().numpy(), axis=1)
    kinds: dict[bytes, int] = {}
    place = [kinds.setdefault(row.tobytes(), len(kinds)) for row in packed]
    first = np.unique(place, return_index=True)[1]
    to = mask.device
    return torch.from_numpy(first).to(to), torch.tensor(place, dtype=torch.int64, device=to)


def mask_boxes(mask: Tensor) -> Tensor:
    """Tight boxes float32 [N, 4], XYXY with exclusive ends; zeros for an empty mask [N, H, W]."""
    spans = [_span(mask.any(dim=1)), _span(mask.any(dim=2))]
    return torch.stack([spans[0][0], spans[1][0], spans[0][1], spans[1][1]], dim=1).float()


def mask_ious(mask: Tensor, side: int = 256) -> Tensor:
    """The IoU of each pair of masks bool [N, H, W], float32 [N, N]; 0 for two empty ones.

    Args:
        side: larger masks are compared as shares of cells of a grid whose long side is this.
    """
    first, place = distinct_masks(mask)
    cells = mask[first].float()
    height, width = mask.shape[-2:]
    if len(first) and max(height, width) > side:
        scale = side / max(height, width)
        grid = (max(1, round(height * scale)), max(1, round(width * scale)))
        cells = F.adaptive_avg_pool2d(cells, grid)
    cells = cells.flatten(1)
    both = cells @ cells.T
    area = both.diagonal()
    iou = both / (area + area[:, None] - both).clamp_min(torch.finfo(both.dtype).tiny)
    return iou[place][:, place]


def _span(line: Tensor) -> tuple[Tensor, Tensor]:
    """First and one past the last True of each row of bool [N, L]; 0 and 0 where there is none."""
    first = line.int().argmax(dim=1)
    end = line.shape[1] - line.flip(1).int().argmax(dim=1)
    return first, torch.where(line.any(dim=1), end, first)
