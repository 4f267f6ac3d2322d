"""The layers of any CLIP's image tower, by name and by stride."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import open_clip
from timm.layers.grn import GlobalResponseNorm
from torch import Tensor, nn

from ...utils.errors import ConfigError
from .vit import VitPrefix


class Step(NamedTuple):
    """A part of a tower, from maps [B, C, h, w] to [B, C', h / stride, w / stride]."""

    module: Callable[[Tensor], Tensor]
    stride: int
    # How many cells of its input the output reads beyond its own; None: it reads all of them.
    halo: int | None = None


class Layer(NamedTuple):
    """A named place in a tower and the steps from the image to it."""

    name: str
    stride: int  # pixels along a side of its cells
    steps: tuple[Step, ...]


def find_layer(visual: nn.Module, layer: str, key: str) -> Layer:
    """A layer of a CLIP's image tower.

    Args:
        visual: open_clip's ModifiedResNet, its ConvNeXt from timm, or its plain ViT.
        layer: its name, or "stride16" for the last layer of that stride.
        key: the config node both came from, for error messages.

    Raises:
        ConfigError: a tower of another kind; a layer that it does not have: the message lists
            those it has.
    """
    layers = list(_layers(visual, key))
    for each in reversed(layers):
        if layer in (each.name, f"stride{each.stride}"):
            return each
    known = ", ".join(f"{each.name} (stride {each.stride})" for each in layers)
    raise ConfigError(
        f"{key}.LAYER", f"'{layer}' is no layer of {type(visual).__name__}; it has {known}"
    )


def _layers(visual: nn.Module, key: str) -> Iterator[Layer]:
    trunk = getattr(visual, "trunk", None)
    if isinstance(visual, open_clip.modified_resnet.ModifiedResNet):
        return _accumulated(_resnet(visual))
    if hasattr(trunk, "stem") and hasattr(trunk, "stages"):
        return _accumulated(_convnext(trunk))
    if isinstance(visual, open_clip.transformer.VisionTransformer):
        return _vit(visual)
    kind = type(visual if trunk is None else trunk).__name__
    raise ConfigError(
        f"{key}.ARCH",
        f"no layers are known of the image tower {kind}; take for example RN50x64, "
        "convnext_base_w or ViT-B-16",
    )


def _accumulated(parts: Iterable[tuple[str, Sequence[Step]]]) -> Iterator[Layer]:
    stride, steps = 1, ()
    for name, more in parts:
        steps = (*steps, *more)
        stride *= math.prod(step.stride for step in more)
        yield Layer(name, stride, steps)


def resnet_stem(tower: nn.Module) -> nn.Sequential:
    """The part of a ModifiedResNet before its first layer, as a module of its own."""
    return nn.Sequential(
        *(getattr(tower, f"{kind}{i}") for i in (1, 2, 3) for kind in ("conv", "bn", "act")),
        tower.avgpool,
    )


def _resnet(tower: nn.Module) -> Iterator[tuple[str, list[Step]]]:
    yield (
        "stem",
        [Step(resnet_stem(tower), 4, 1 + 2 + 2)],
    )  # 3 x 3 at full size, then twice at half of it
    for i in (1, 2, 3, 4):
        yield f"layer{i}", [Step(block, block.stride, 1) for block in getattr(tower, f"layer{i}")]


def _convnext(trunk: nn.Module) -> Iterator[tuple[str, list[Step]]]:
    patches = trunk.stem[0]
    plain = isinstance(patches, nn.Conv2d) and patches.kernel_size == patches.stride
    steps = [Step(trunk.stem, trunk.feature_info[0]["reduction"], 0 if plain else None)]
    for i, stage in enumerate(trunk.stages):
        if not isinstance(stage.downsample, nn.Identity):
            steps.append(Step(stage.downsample, 2, 0))
        # Of a block the depthwise convolution alone looks around itself, but for ConvNeXt V2's
        # normalisation by the response of the whole map.
        steps += [
            Step(block, 1, None if _looks_at_all(block) else block.conv_dw.kernel_size[0] // 2)
            for block in stage.blocks
        ]
        yield f"stage{i + 1}", steps
        steps = []


def _looks_at_all(block: nn.Module) -> bool:
    return any(isinstance(each, GlobalResponseNorm) for each in block.modules())


def _vit(tower: nn.Module) -> Iterator[Layer]:
    stride = tower.conv1.stride[0]
    for i in range(1, len(tower.transformer.resblocks) + 1):
        yield Layer(f"block{i}", stride, (Step(VitPrefix(tower, i), stride),))
