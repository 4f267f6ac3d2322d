"""Box losses in which each proposal counts as much as its ``loss_weights`` say."""

import torch
import torch.nn.functional as F
from detectron2.layers import cat
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers, _log_classification_stats
from detectron2.structures import Instances
from fvcore.nn import giou_loss, smooth_l1_loss
from torch import Tensor

from ...utils.errors import ConfigError


class WeightedLosses:
    """Mixed into ``FastRCNNOutputLayers`` or a subclass.

    The losses keep their normalisation, the number of proposals, so a removed proposal takes its
    share of the loss with it.
    """

    def losses(
        self, predictions: tuple[Tensor, Tensor], proposals: list[Instances]
    ) -> dict[str, Tensor]:
        """As ``FastRCNNOutputLayers.losses``; proposals have ``loss_weights`` [Ri] too."""
        scores, deltas = predictions
        classes, weights = (
            cat([p.get(field) for p in proposals]) for field in ("gt_classes", "loss_weights")
        )
        _log_classification_stats(scores, classes)
        total = max(len(classes), 1)
        losses = {
            "loss_cls": (_class_losses(self, scores, classes) * weights).sum() / total,
            "loss_box_reg": _box_loss(self, deltas, proposals, classes, weights) / total,
        }
        return {name: loss * self.loss_weight.get(name, 1.0) for name, loss in losses.items()}


class WeightedOutputLayers(WeightedLosses, FastRCNNOutputLayers):
    """Detectron2's box predictor with weighted losses."""


def check_box_losses(cfg) -> None:
    """Raises ConfigError for losses of a config that have no weighted form."""
    box_head = cfg.MODEL.ROI_BOX_HEAD
    if box_head.get("USE_FED_LOSS", False):
        raise ConfigError(
            "MODEL.ROI_BOX_HEAD.USE_FED_LOSS",
            "goes with neither TRAINING.DROP_LOSS nor TRAINING.SCORE_WEIGHTS",
        )
    if box_head.BBOX_REG_LOSS_TYPE not in _BOX_LOSSES:
        raise ConfigError(
            "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE",
            f"must be one of {', '.join(_BOX_LOSSES)} for TRAINING.DROP_LOSS and SCORE_WEIGHTS",
        )


def _class_losses(predictor: FastRCNNOutputLayers, scores: Tensor, classes: Tensor) -> Tensor:
    """Of each proposal, [R]; ``scores`` are logits [R, K + 1]."""
    if not getattr(predictor, "use_sigmoid_ce", False):
        return F.cross_entropy(scores, classes, reduction="none")
    truth = F.one_hot(classes, scores.shape[1])[:, :-1].to(scores)
    losses = F.binary_cross_entropy_with_logits(scores[:, :-1], truth, reduction="none")
    return losses.sum(dim=1)


def _box_loss(
    predictor: FastRCNNOutputLayers,
    deltas: Tensor,
    proposals: list[Instances],
    classes: Tensor,
    weights: Tensor,
) -> Tensor:
    """The weighted sum over matched proposals; ``deltas`` are [R, 4] or [R, 4 K]."""
    matched = torch.nonzero((classes >= 0) & (classes < predictor.num_classes))[:, 0]
    if not len(matched):
        return deltas.sum() * 0
    boxes = cat([p.proposal_boxes.tensor for p in proposals])[matched]
    # Images without any label have proposals without gt_boxes, none of them matched.
    truth = cat(
        [(p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes).tensor for p in proposals]
    )[matched]
    own = deltas[matched]
    if deltas.shape[1] > 4:
        rows = torch.arange(len(matched), device=own.device)
        own = own.view(len(matched), -1, 4)[rows, classes[matched]]
    losses = _BOX_LOSSES[predictor.box_reg_loss_type](predictor, own, boxes, truth)
    return (losses * weights[matched]).sum()


def _smooth_l1(predictor, deltas: Tensor, boxes: Tensor, truth: Tensor) -> Tensor:
    wanted = predictor.box2box_transform.get_deltas(boxes, truth)
    return smooth_l1_loss(deltas, wanted, predictor.smooth_l1_beta, reduction="none").sum(dim=1)


def _giou(predictor, deltas: Tensor, boxes: Tensor, truth: Tensor) -> Tensor:
    found = predictor.box2box_transform.apply_deltas(deltas, boxes)
    return giou_loss(found, truth, reduction="none")


_BOX_LOSSES = {"smooth_l1": _smooth_l1, "giou": _giou}
