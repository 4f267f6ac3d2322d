"""What training asks of a CLIP's image tower."""

import numpy as np
import torch
from open_clip.transformer import PatchDropout
from torch import Tensor, nn
from torch.func import functional_call

from ...modeling.networks.clip_classifier import encode_image, input_size


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
