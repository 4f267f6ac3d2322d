"""ROI heads that leave out or weigh the losses of proposals by what their labels are worth."""

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import ROI_HEADS_REGISTRY
from detectron2.modeling.roi_heads import CascadeROIHeads, StandardROIHeads
from detectron2.structures import Instances

from .box_losses import WeightedOutputLayers, check_box_losses
from .targets import LossRules, loss_weights, overlaps, split_ignored


class NoisyLabels:
    """Mixed into ROI heads; without rules and ignored labels it changes nothing.

    Later stages of a cascade know labels that are left out only through the proposals that are
    missing since the first.
    """

    weighted_predictor = WeightedOutputLayers

    @configurable
    def __init__(self, *, loss_rules: LossRules, **kwargs) -> None:
        super().__init__(**kwargs)
        self.loss_rules = loss_rules

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict) -> dict:
        return super().from_config(cfg, input_shape) | {"loss_rules": LossRules.from_config(cfg)}

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict) -> dict:
        parts = super()._init_box_head(cfg, input_shape)
        if not LossRules.from_config(cfg).any():
            return parts
        check_box_losses(cfg)

        def weighted(predictor, head):
            same = cls.weighted_predictor(
                cfg, head.output_shape, box2box_transform=predictor.box2box_transform
            )
            same.load_state_dict(predictor.state_dict())
            return same

        if "box_predictors" in parts:
            pairs = zip(parts["box_predictors"], parts["box_heads"], strict=True)
            return parts | {"box_predictors": [weighted(*pair) for pair in pairs]}
        return parts | {"box_predictor": weighted(parts["box_predictor"], parts["box_head"])}

    def forward(self, images, features, proposals, targets=None):
        """As ``ROIHeads.forward``; targets may have ``gt_scores`` and ``gt_ignore``."""
        if self.training:
            targets, ignored = split_ignored(targets)
            if ignored is not None:
                proposals = self._without_ignored(proposals, targets, ignored)
        return super().forward(images, features, proposals, targets)

    @torch.no_grad()
    def label_and_sample_proposals(
        self, proposals: list[Instances], targets: list[Instances]
    ) -> list[Instances]:
        sampled = super().label_and_sample_proposals(proposals, targets)
        return self._weighted(sampled, targets)

    def _match_and_label_boxes(self, proposals, stage, targets):
        labelled = super()._match_and_label_boxes(proposals, stage, targets)
        return self._weighted(labelled, targets)

    def _weighted(self, proposals: list[Instances], targets: list[Instances]) -> list[Instances]:
        if self.loss_rules.any():
            for found, wanted in zip(proposals, targets, strict=True):
                found.loss_weights = loss_weights(found, wanted, self.loss_rules, self.num_classes)
        return proposals

    def _without_ignored(
        self, proposals: list[Instances], targets: list[Instances], ignored: list[Instances]
    ) -> list[Instances]:
        """The proposals that match a label, or no label that is left out."""
        threshold = self.proposal_matcher.thresholds[1]  # the least IoU that is not background
        return [
            found[
                overlaps(found.proposal_boxes, wanted, threshold)
                | ~overlaps(found.proposal_boxes, unsure, threshold)
            ]
            for found, wanted, unsure in zip(proposals, targets, ignored, strict=True)
        ]


@ROI_HEADS_REGISTRY.register()
class NoisyROIHeads(NoisyLabels, StandardROIHeads):
    """Of Mask R-CNN."""


@ROI_HEADS_REGISTRY.register()
class NoisyCascadeROIHeads(NoisyLabels, CascadeROIHeads):
    """Of Cascade Mask R-CNN."""
