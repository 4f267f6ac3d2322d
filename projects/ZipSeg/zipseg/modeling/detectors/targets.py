"""Labels as training targets: which are left out of the losses, and how much the others count."""

from typing import NamedTuple

import torch
from detectron2.config import CfgNode
from detectron2.structures import Instances, pairwise_iou
from torch import Tensor


class LossRules(NamedTuple):
    """Which box and mask losses count less; by default all count alike."""

    drop_iou: float | None = None  # None: nothing is removed
    by_score: bool = False

    @classmethod
    def from_config(cls, cfg: CfgNode) -> "LossRules":
        """The rules of ``cfg.TRAINING``."""
        training = cfg.TRAINING
        drop_iou = training.DROP_LOSS.IOU if training.DROP_LOSS.ENABLED else None
        return cls(drop_iou, training.SCORE_WEIGHTS.ENABLED)

    def any(self) -> bool:
        """Whether any loss is to be weighted."""
        return self.by_score or self.drop_iou is not None


@torch.no_grad()
def loss_weights(
    proposals: Instances, targets: Instances, rules: LossRules, background: int
) -> Tensor:
    """How much each proposal of an image counts, float [R] in 0..1.

    Args:
        proposals: R, with ``proposal_boxes`` and ``gt_classes``.
        targets: the image's labels, with ``gt_boxes`` and ``gt_scores``.
        background: the class of unmatched proposals, which count 1 unless they are removed.
    """
    weights = proposals.proposal_boxes.tensor.new_ones(len(proposals))
    if not len(targets):
        return weights if rules.drop_iou is None else weights.zero_()
    overlap, nearest = pairwise_iou(targets.gt_boxes, proposals.proposal_boxes).max(dim=0)
    if rules.by_score:
        scores = targets.gt_scores[nearest].to(weights)
        weights = torch.where(proposals.gt_classes == background, weights, scores)
    if rules.drop_iou is not None:
        weights = weights * (overlap > rules.drop_iou)
    return weights


def split_ignored(
    targets: list[Instances],
) -> tuple[list[Instances], list[Instances] | None]:
    """Labels to learn from and labels to leave out, by ``gt_ignore``; None without that field."""
    if not targets or not targets[0].has("gt_ignore"):
        return targets, None
    kept = [target[~target.gt_ignore] for target in targets]
    for target in kept:
        target.remove("gt_ignore")
    return kept, [target[target.gt_ignore] for target in targets]


@torch.no_grad()
def overlaps(boxes, ignored: Instances, threshold: float) -> Tensor:
    """Which of R boxes overlap an ignored label by at least ``threshold`` (IoU): bool [R]."""
    if not len(ignored):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    return (pairwise_iou(ignored.gt_boxes, boxes) >= threshold).any(dim=0)
