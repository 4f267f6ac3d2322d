"""ResNets of basic blocks at any width with a feature pyramid, for small pictures and few cores."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from detectron2.modeling.backbone import FPN, Backbone, BasicStem, ResNet
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from detectron2.modeling.backbone.resnet import BasicBlock
from torch import nn

_BLOCKS_PER_STAGE = 2  # ResNet-18's


@BACKBONE_REGISTRY.register()
def build_narrow_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """ResNet-18 with MODEL.RESNETS' STEM_OUT_CHANNELS, RES2_OUT_CHANNELS (doubled from stage to
    stage) and NORM, and p2 to p6 of MODEL.FPN's width."""
    return narrow_fpn(cfg, input_shape, LastLevelMaxPool())


def narrow_fpn(cfg: CfgNode, input_shape: ShapeSpec, top_block: nn.Module) -> FPN:
    """The feature pyramid of such a ResNet with its coarsest levels from ``top_block``."""
    resnets = cfg.MODEL.RESNETS
    stem = BasicStem(input_shape.channels, resnets.STEM_OUT_CHANNELS, norm=resnets.NORM)
    stages, width = [], resnets.STEM_OUT_CHANNELS
    for place, _ in enumerate(("res2", "res3", "res4", "res5")):
        wider = resnets.RES2_OUT_CHANNELS * 2**place
        strides = [1 if place == 0 else 2] + [1] * (_BLOCKS_PER_STAGE - 1)
        stages.append(
            ResNet.make_stage(
                BasicBlock,
                _BLOCKS_PER_STAGE,
                stride_per_block=strides,
                in_channels=width,
                out_channels=wider,
                norm=resnets.NORM,
            )
        )
        width = wider
    resnet = ResNet(
        stem, stages, out_features=resnets.OUT_FEATURES, freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT
    )
    return pyramid_over(cfg, resnet, top_block)


def pyramid_over(cfg: CfgNode, bottom_up: Backbone, top_block: nn.Module) -> FPN:
    """MODEL.FPN's pyramid over any backbone, its coarsest levels from ``top_block``."""
    pyramid = cfg.MODEL.FPN
    return FPN(
        bottom_up,
        pyramid.IN_FEATURES,
        pyramid.OUT_CHANNELS,
        norm=pyramid.NORM,
        top_block=top_block,
        fuse_type=pyramid.FUSE_TYPE,
    )
