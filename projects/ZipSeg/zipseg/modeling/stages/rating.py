"""What a mask is worth, from what is known without labels."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...structures import Activation, Masks, Proposals, mask_ious
from .boundaries import boundary_strength
from .stage import Stage

_SAME = 0.7  # IoU from which on two candidates are much the same


@dataclass(frozen=True)
class RateMasks(Stage):
    """The quality of masks: a product of powers of several terms in 0..1.

    Args:
        predicted_iou: power of the IoU that the segmenter predicts; the paper has it alone, at 1.
        inside: of the share of a mask that lies in its category's activated region.
        rim: of ``rim_strength``.
        agreement: of n / (n + 1), where n candidates, itself among them, are much the same mask.
    """

    SECTIONS: ClassVar = ("RATING",)
    predicted_iou: float = 1.0
    inside: float = 0.0
    rim: float = 0.0
    agreement: float = 0.0

    def __post_init__(self) -> None:
        for name in ("predicted_iou", "inside", "rim", "agreement"):
            self._check_least(name, 0)

    def __call__(
        self, masks: Masks, proposals: Proposals, activation: Activation, features: Tensor
    ) -> Tensor:
        """Quality [N] in 0..1.

        Args:
            masks: at any size, in the order of the proposals.
            features: boundary features [C, h, w].
        """
        quality = masks.iou if self.predicted_iou == 1 else masks.iou**self.predicted_iou
        if not len(masks):
            return quality
        if self.inside:
            active = activation.active[proposals.category]
            quality = quality * share_inside(masks.mask, active) ** self.inside
        if self.rim:
            quality = quality * rim_strength(masks.mask, features) ** self.rim
        if self.agreement:
            same = (mask_ious(masks.mask) > _SAME).sum(dim=1).clamp_min(1)
            quality = quality * (same / (same + 1)) ** self.agreement
        return quality


def share_inside(mask: Tensor, active: Tensor) -> Tensor:
    """The share of each mask bool [N, H, W] that lies in a region bool [N, h, w]; 0 of nothing."""
    covered = F.adaptive_avg_pool2d(mask.float(), active.shape[-2:])
    inside = (covered * active).sum(dim=(1, 2))
    return inside / covered.sum(dim=(1, 2)).clamp_min(torch.finfo(covered.dtype).tiny)


def rim_strength(mask: Tensor, features: Tensor) -> Tensor:
    """How strong a boundary the features have along each mask's outline, beside that within it.

    r / (r + w), 0..1 [N], for the mean strength r over the cells on both sides of the outline and
    w over those farther inside; 0.5 where there are none of either or no strength.

    Args:
        mask: bool [N, H, W].
        features: boundary features [C, h, w].
    """
    strength = boundary_strength(features)
    covered = F.adaptive_avg_pool2d(mask.float(), strength.shape) >= 0.5
    near = F.max_pool2d(covered.float(), 3, 1, 1) > 0
    within = ~(F.max_pool2d((~covered).float(), 3, 1, 1) > 0)
    rim = near & ~within
    means = [
        (strength * part).sum(dim=(1, 2)) / part.sum(dim=(1, 2)).clamp_min(1)
        for part in (rim, within)
    ]
    known = rim.any(dim=2).any(dim=1) & within.any(dim=2).any(dim=1) & (sum(means) > 0)
    share = means[0] / sum(means).clamp_min(torch.finfo(strength.dtype).tiny)
    return torch.where(known, share, torch.full_like(share, 0.5))
