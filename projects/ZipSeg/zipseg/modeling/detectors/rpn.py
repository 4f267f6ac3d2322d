"""A region proposal network that learns nothing from what overlaps labels in the ignore band."""

import torch
from detectron2.modeling.proposal_generator import RPN
from detectron2.modeling.proposal_generator.build import PROPOSAL_GENERATOR_REGISTRY
from detectron2.structures import Boxes, Instances
from torch import Tensor

from .targets import overlaps, split_ignored


@PROPOSAL_GENERATOR_REGISTRY.register()
class NoisyRPN(RPN):
    """RPN; targets may have ``gt_ignore``."""

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        kept, ignored = split_ignored(gt_instances)
        labels, boxes = super().label_and_sample_anchors(anchors, kept)
        if ignored is not None:
            everywhere = Boxes.cat(anchors)
            threshold = self.anchor_matcher.thresholds[1]  # the least IoU that is not background
            for label, unsure in zip(labels, ignored, strict=True):
                label[(label == 0) & overlaps(everywhere, unsure, threshold)] = -1
        return labels, boxes
