"""What training asks of a CLIP's image tower."""

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.transformer import PatchDropout
from torch import Tensor, nn
from torch.func import functional_call

from ...modeling.networks.clip_classifier import encode_image, input_size
from ...modeling.networks.clip_dense import ClipDense


def hide_patches(visual: nn.Module, share: float) -> None:
    """Let each training step leave out a share (0..1, random) of a ViT's patches; a ResNet has
    none and stays as it is."""
    if hasattr(visual, "patch_dropout"):
        visual.patch_dropout = PatchDropout(share).train(visual.training)


def encode_anywhere(visual: nn.Module, images: Tensor, rng: np.random.Generator) -> Tensor:
    """Class embeddings [B, D] of normalised images [B, 3, S, S] of which a ViT takes those smaller
    than its own input for a random part of one: neighbouring patches keep the distance of their
    positions, so that a shape looks the same at every size and place. A ResNet's positions are
    interpolated."""
    own, size = input_size(visual), images.shape[-1]
    if size >= own or not hasattr(visual, "patch_size"):
        return encode_image(visual, images)
    side, part = own // visual.patch_size[0], size // visual.patch_size[0]
    top, left = rng.integers(0, side - part + 1, 2).tolist()
    table = visual.positional_embedding
    grid = table[1:].unflatten(0, (side, side))[top : top + part, left : left + part]
    positions = torch.cat([table[:1], grid.flatten(0, 1)])
    return functional_call(visual, {"positional_embedding": positions}, (images,))


def encode_windows(visual: nn.Module, scenes: Tensor, place: Tensor, blocks: int) -> Tensor:
    """Embeddings [S * W, D] of windows into scenes as a ViT's dense tokens tell them: the mean of
    CLIP Surgery's unit tokens, each weighted by the area of its patch in the window.

    Args:
        visual: the image tower.
        scenes: normalised [S, 3, H, H].
        place: int [S, W, 3], top, left and side of each window, pixels.
        blocks: how many blocks CLIP Surgery goes through.
    """
    tokens = ClipDense(visual, surgery_blocks=blocks)(scenes)
    maps = F.normalize(tokens.patch, dim=-1).unflatten(1, tokens.grid)
    top, left, side = place.to(scenes.device).unbind(-1)
    patch = visual.patch_size[0]
    rows, columns = (
        _covered(start, start + side, size, patch)
        for start, size in zip((top, left), tokens.grid, strict=True)
    )
    return torch.einsum("swi,sijd,swj->swd", rows, maps, columns).flatten(0, 1)


def _covered(start: Tensor, end: Tensor, size: int, patch: int) -> Tensor:
    """Share of each of ``size`` patches in a row that windows [S, W] cover, as part of all that
    they cover: [S, W, size]."""
    edge = patch * torch.arange(size, device=start.device)
    low = torch.maximum(start[..., None], edge)
    high = torch.minimum(end[..., None], edge + patch)
    covered = (high - low).clamp(min=0).float()
    return covered / covered.sum(-1, keepdim=True)
