"""How strong a boundary the features have in each cell."""

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor


def boundary_strength(features: Tensor, smoothing: float = 1.0) -> Tensor:
    """How much a cell differs from its neighbours, float32 [h, w] in 0..2.

    The mean of 1 - cosine similarity over the (up to) four neighbours, smoothed by a Gaussian.

    Args:
        features: [C, h, w].
        smoothing: standard deviation of the Gaussian, cells.

    Raises:
        ValueError: features that are not finite.
    """
    unit = F.normalize(features.float(), dim=0)
    across = 1 - (unit[:, :, 1:] * unit[:, :, :-1]).sum(dim=0)
    down = 1 - (unit[:, 1:] * unit[:, :-1]).sum(dim=0)
    total = _over_both_ends(across, down)
    if not total.isfinite().all():
        raise ValueError("the features to share out hold values that are not finite")
    neighbours = _over_both_ends(torch.ones_like(across), torch.ones_like(down))
    mean = (total / neighbours.clamp_min(1)).cpu().numpy()
    return torch.from_numpy(ndimage.gaussian_filter(mean, smoothing)).to(features.device)


def _over_both_ends(across: Tensor, down: Tensor) -> Tensor:
    """For each cell the sum over the edges it has: across [h, w - 1], down [h - 1, w]."""
    sides = F.pad(across, (0, 1)) + F.pad(across, (1, 0))
    return sides + F.pad(down, (0, 0, 0, 1)) + F.pad(down, (0, 0, 1, 0))
