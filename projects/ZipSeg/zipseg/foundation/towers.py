"""What training asks of a CLIP's image tower."""

from open_clip.transformer import PatchDropout
from torch import nn


def hide_patches(visual: nn.Module, share: float) -> None:
    """Let each training step leave out a share (0..1, random) of a ViT's patches; a ResNet has
    none and stays as it is."""
    if hasattr(visual, "patch_dropout"):
        visual.patch_dropout = PatchDropout(share).train(visual.training)
