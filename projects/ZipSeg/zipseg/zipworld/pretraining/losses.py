"""Losses of the pre-training."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_contrastive_loss(logits: Tensor, true: Tensor, asked: Tensor | None = None) -> Tensor:
    """Each pair of scene and caption as a yes-or-no question (SigLIP, arXiv 2303.15343, eq. 1),
    with several true captions a scene.

    Args:
        logits: float [B, K] scaled and shifted cosines.
        true: bool [B, K] whether the caption is true of the scene.
        asked: bool [B, K] the pairs that count; None for all.

    Returns:
        Scalar: sum over captions, mean over scenes.
    """
    loss = F.softplus(torch.where(true, -logits, logits))
    return (loss if asked is None else loss * asked).sum(dim=1).mean()


def spread_loss(text: Tensor, margin: float = 0.5) -> Tensor:
    """Keeps captions of different content apart.

    A text tower begins with all captions nearly alike, and a word whose look is not learnt yet
    stays so: without a difference in text nothing tells the image tower to look for one, and the
    other way round. This breaks the deadlock.

    Args:
        text: float [K, D] unit embeddings of captions of K different contents.
        margin: cosine up to which two captions may be alike.

    Returns:
        Scalar: mean over pairs of the squared excess.
    """
    excess = (text @ text.T - margin).clamp(min=0).square()
    return (excess.sum() - excess.diagonal().sum()) / (len(text) * (len(text) - 1))


class MaskLoss(NamedTuple):
    """Losses of SAM's candidates, each float [N, M]."""

    mask: Tensor  # 20 x focal + dice
    iou: Tensor  # squared error of the predicted IoU


def mask_losses(
    logits: Tensor, target: Tensor, predicted_iou: Tensor, weight: Tensor | None = None
) -> MaskLoss:
    """Losses of M candidate masks for each of N prompts (SAM, arXiv 2304.02643, appendix A).

    Args:
        logits: float [N, M, h, w].
        target: float [N, h, w], the share of each cell that the object covers, 0..1. With shares
            of 0 and 1 alone this is the paper's focal loss (gamma 2, no alpha); other shares keep
            edges exact below the cell (quality focal loss, arXiv 2006.04388, eq. 4).
        predicted_iou: float [N, M].
        weight: float [N, h, w] of each cell in the focal loss, of mean 1; None for equal ones.
    """
    target = target[:, None].expand_as(logits)
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    focal = (probability - target).square() * entropy
    focal = (focal if weight is None else focal * weight[:, None]).mean((2, 3))
    overlap = (probability * target).sum((2, 3))
    dice = 1 - (2 * overlap + 1) / (probability.sum((2, 3)) + target.sum((2, 3)) + 1)
    iou = mask_iou(logits.detach() > 0, target >= 0.5)
    return MaskLoss(20 * focal + dice, (predicted_iou - iou).square())


def outline_weight(target: Tensor, rim: float, width: int = 5) -> Tensor:
    """Weights for ``mask_losses`` that count the pixels near an object's outline more.

    Args:
        target: float [N, H, W], 0..1.
        rim: how many times as heavy they are as the others, at least 1.
        width: odd; the band reaches half of it to both sides.

    Returns:
        float [N, H, W] of mean 1 for each target.
    """
    share = F.avg_pool2d(target[:, None], width, 1, width // 2, count_include_pad=False)[:, 0]
    weight = torch.where((share > 0) & (share < 1), rim, 1.0)
    return weight / weight.mean((1, 2), keepdim=True)


def best_candidate_loss(loss: MaskLoss) -> Tensor:
    """Scalar: the single mask (column 0) and the best of the others learn the mask; all learn to
    predict their IoU."""
    best = loss.mask[:, 0] + loss.mask[:, 1:].min(dim=1).values
    return best.mean() + loss.iou.mean()


def mask_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boolean masks [..., h, w], broadcast over the leading dimensions; 0 for two empty."""
    intersection = (a & b).sum((-2, -1)).float()
    return intersection / (a | b).sum((-2, -1)).clamp(min=1)
