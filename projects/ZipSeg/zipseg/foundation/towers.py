"""A CLIP's image tower at any input size."""

from open_clip.transformer import PatchDropout
from torch import Tensor, nn
from torch.func import functional_call

from ..models.clip_surgery import interpolate_positions


def input_size(model: nn.Module) -> int:
    """Side in pixels of the input that a CLIP's image tower was made for."""
    size = model.visual.image_size
    return size if isinstance(size, int) else size[0]


def hide_patches(visual: nn.Module, share: float) -> None:
    """Let each training step leave out a share (0..1, random) of a ViT's patches; a ResNet has
    none and stays as it is."""
    if hasattr(visual, "patch_dropout"):
        visual.patch_dropout = PatchDropout(share).train(visual.training)


def encode_image(model: nn.Module, images: Tensor) -> Tensor:
    """Class embeddings [B, D] of normalised images [B, 3, S, S]; the tower's positions are
    interpolated if S is not its own input size."""
    own, size = input_size(model), images.shape[-1]
    if size == own:
        return model.encode_image(images)
    is_vit = hasattr(model.visual, "patch_size")
    name = "positional_embedding" if is_vit else "attnpool.positional_embedding"
    stride = model.visual.patch_size[0] if is_vit else 32
    old, new = (own // stride,) * 2, (size // stride,) * 2
    positions = interpolate_positions(model.visual.get_parameter(name), old, new)
    return functional_call(model.visual, {name: positions}, (images,))
