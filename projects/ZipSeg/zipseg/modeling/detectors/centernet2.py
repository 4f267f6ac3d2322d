"""The parts for two-stage CenterNet2; importing this module needs the ``centernet2`` package."""

from centernet.modeling.backbone.fpn_p5 import LastLevelP6P7_P5
from centernet.modeling.dense_heads.centernet import CenterNet
from centernet.modeling.roi_heads.custom_fast_rcnn import CustomFastRCNNOutputLayers
from centernet.modeling.roi_heads.custom_roi_heads import CustomCascadeROIHeads
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, ROI_HEADS_REGISTRY
from detectron2.modeling.backbone import FPN
from detectron2.modeling.proposal_generator.build import PROPOSAL_GENERATOR_REGISTRY

from .backbone import narrow_fpn
from .box_losses import WeightedLosses
from .roi_heads import NoisyLabels
from .targets import split_ignored


@BACKBONE_REGISTRY.register()
def build_narrow_p67_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """As ``build_narrow_resnet_fpn_backbone``, with CenterNet's p6 and p7 above p5."""
    width = cfg.MODEL.FPN.OUT_CHANNELS
    return narrow_fpn(cfg, input_shape, LastLevelP6P7_P5(width, width))


class WeightedCenterNet2OutputLayers(WeightedLosses, CustomFastRCNNOutputLayers):
    """CenterNet2's box predictor with weighted losses."""


@ROI_HEADS_REGISTRY.register()
class NoisyCenterNet2ROIHeads(NoisyLabels, CustomCascadeROIHeads):
    """CenterNet2's second stage."""

    weighted_predictor = WeightedCenterNet2OutputLayers


@PROPOSAL_GENERATOR_REGISTRY.register()
class NoisyCenterNet(CenterNet):
    """CenterNet's first stage; targets may have ``gt_ignore``."""

    def _get_ground_truth(self, grids, shapes_per_level, gt_instances):
        """Points within ignored boxes get the heat of a centre without being one: such points have
        no weight in the focal loss for background (CenterNet's penalty-reduced focal loss)."""
        kept, ignored = split_ignored(gt_instances)
        positions, labels, boxes, heat = super()._get_ground_truth(grids, shapes_per_level, kept)
        if ignored is not None:
            start = 0
            for points in grids:  # the heat is ordered by level, image, place
                for unsure in ignored:
                    inside = _inside(points, unsure.gt_boxes.tensor)
                    heat[start : start + len(points)][inside] = 1.0
                    start += len(points)
        return positions, labels, boxes, heat


def _inside(points, boxes):
    """Which points [P, 2] lie within any of the boxes [N, 4]: bool [P]."""
    x, y = points[:, :1], points[:, 1:]
    left, top, right, bottom = boxes.T
    return ((x > left) & (x < right) & (y > top) & (y < bottom)).any(dim=1)
