"""The boundary prior: features of a middle layer of a CLIP ResNet."""

import open_clip
from torch import Tensor, nn

from ...utils.errors import ConfigError

LAYERS = ("stem", "layer1", "layer2", "layer3", "layer4")


class ClipBoundary(nn.Module):
    """open_clip's ModifiedResNet up to and including ``layer``; the rest is not kept.

    Raises:
        ConfigError: the tower is not a ModifiedResNet, or has no such layer.
    """

    def __init__(self, visual: nn.Module, layer: str = "layer3") -> None:
        super().__init__()
        if not isinstance(visual, open_clip.modified_resnet.ModifiedResNet):
            raise ConfigError(
                "MODEL.ZIP.BOUNDARY.ARCH",
                f"the boundary prior needs a ResNet tower, not {type(visual).__name__}; "
                "take for example RN50x64",
            )
        if layer not in LAYERS:
            raise ConfigError("MODEL.ZIP.BOUNDARY.LAYER", f"'{layer}' is not one of {LAYERS}")
        self.stem = nn.Sequential(
            *(getattr(visual, f"{kind}{i}") for i in (1, 2, 3) for kind in ("conv", "bn", "act")),
            visual.avgpool,
        )
        depth = LAYERS.index(layer)
        self.layers = nn.Sequential(*(getattr(visual, name) for name in LAYERS[1 : depth + 1]))
        self.stride = 4 * 2 ** max(depth - 1, 0)

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, C, H / stride, W / stride] of normalised images [B, 3, H, W]."""
        return self.layers(self.stem(images)).float()
