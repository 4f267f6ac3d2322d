"""A CLIP's ResNet as the backbone of a detector, which thus begins with what captions taught."""

from collections.abc import Callable

import open_clip
from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from detectron2.modeling.backbone import FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from torch import Tensor, nn

from ...utils.errors import ConfigError
from ..networks.pyramid import resnet_stem
from ..networks.weights import load_clip
from .backbone import pyramid_over

LAYERS = ("stem", "layer1", "layer2", "layer3", "layer4")  # open_clip's names
NAMES = ("stem", "res2", "res3", "res4", "res5")  # Detectron2's


class ClipResNet(Backbone):
    """An open_clip ModifiedResNet without its attention pool, under Detectron2's names.

    Its outputs "stem", "res2", ... "res5" have strides 4, 4, 8, 16 and 32: the stem ends in a
    pooling. Inputs are expected in RGB, normalised by CLIP's mean and deviation.

    Args:
        visual: the image tower.
        out_features: which of the outputs ``forward`` returns.
        freeze_at: as in Detectron2's ResNet: how many of the parts, stem first, are not trained.

    Raises:
        ConfigError: the tower is not a ModifiedResNet.
    """

    def __init__(self, visual: nn.Module, out_features: list[str], freeze_at: int = 0) -> None:
        super().__init__()
        if not isinstance(visual, open_clip.modified_resnet.ModifiedResNet):
            raise ConfigError(
                "MODEL.ZIP.BOUNDARY.ARCH",
                f"the detector needs a ResNet tower, not {type(visual).__name__}; "
                "take for example RN50",
            )
        layers = [getattr(visual, name) for name in LAYERS[1:]]
        self.parts = nn.ModuleDict(zip(NAMES, (resnet_stem(visual), *layers), strict=True))
        self._out_features = list(out_features)
        width = visual.layer1[-1].conv3.out_channels
        channels = (width // 4, *(width * 2**place for place in range(4)))
        self._out_feature_channels = dict(zip(NAMES, channels, strict=True))
        self._out_feature_strides = dict(zip(NAMES, (4, 4, 8, 16, 32), strict=True))
        for place, part in enumerate(self.parts.values()):
            part.requires_grad_(place >= freeze_at)
            if place < freeze_at:
                FrozenBatchNorm2d.convert_frozen_batchnorm(part)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps [B, C, H / stride, W / stride] of normalised images [B, 3, H, W]."""
        outputs, features = {}, images
        for name, part in self.parts.items():
            features = part(features)
            outputs[name] = features
        return {name: outputs[name] for name in self._out_features}

    @property
    def size_divisibility(self) -> int:
        return 32


class PyramidBeside(Backbone):
    """A backbone's own outputs and those of a pyramid over them.

    Args:
        bottom_up: the backbone.
        build_pyramid: makes the FPN of a backbone.
    """

    def __init__(self, bottom_up: Backbone, build_pyramid: Callable[[Backbone], FPN]) -> None:
        super().__init__()
        self.bottom_up = bottom_up
        self.pyramid = build_pyramid(_Given(bottom_up))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """All maps by name."""
        features = self.bottom_up(images)
        return features | self.pyramid(features)

    def output_shape(self) -> dict[str, ShapeSpec]:
        return self.bottom_up.output_shape() | self.pyramid.output_shape()

    @property
    def size_divisibility(self) -> int:
        return self.pyramid.size_divisibility


class _Given(Backbone):
    """Passes on maps that are there already: an FPN asks its backbone itself."""

    def __init__(self, like: Backbone) -> None:
        super().__init__()
        self._shapes = like.output_shape()

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return features

    def output_shape(self) -> dict[str, ShapeSpec]:
        return self._shapes


@BACKBONE_REGISTRY.register()
def build_clip_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> PyramidBeside:
    """The ResNet of MODEL.ZIP.BOUNDARY's ARCH and WEIGHTS: MODEL.RESNETS.OUT_FEATURES and
    MODEL.FPN's pyramid p2 to p6 over them.

    MODEL.BACKBONE.FREEZE_AT counts as for Detectron2's ResNet. A checkpoint in MODEL.WEIGHTS is
    loaded over it.
    """
    boundary = cfg.MODEL.ZIP.BOUNDARY
    clip, _ = load_clip(boundary.ARCH, boundary.WEIGHTS, "MODEL.ZIP.BOUNDARY")
    resnet = ClipResNet(clip.visual, cfg.MODEL.RESNETS.OUT_FEATURES, cfg.MODEL.BACKBONE.FREEZE_AT)
    return PyramidBeside(resnet, lambda given: pyramid_over(cfg, given, LastLevelMaxPool()))
