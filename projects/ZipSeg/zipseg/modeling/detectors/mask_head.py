"""A mask head in which each proposal counts as much as its ``loss_weights`` say."""

import torch
import torch.nn.functional as F
from detectron2.layers import cat
from detectron2.modeling.roi_heads import ROI_MASK_HEAD_REGISTRY, MaskRCNNConvUpsampleHead
from detectron2.structures import Instances
from torch import Tensor


@ROI_MASK_HEAD_REGISTRY.register()
class WeightedMaskHead(MaskRCNNConvUpsampleHead):
    """Mask R-CNN's head; proposals without ``loss_weights`` get Detectron2's loss."""

    def forward(self, x: Tensor, instances: list[Instances]):
        """As ``BaseMaskRCNNHead.forward``: the loss in training, else instances with masks."""
        if not self.training or not any(i.has("loss_weights") for i in instances):
            return super().forward(x, instances)
        loss = weighted_mask_loss(self.layers(x), instances) * self.loss_weight
        return {"loss_mask": loss}


def weighted_mask_loss(logits: Tensor, instances: list[Instances]) -> Tensor:
    """The mean over R matched proposals of the weighted mean cross-entropy of their pixels.

    Args:
        logits: [R, K or 1, S, S].
        instances: of each image, with ``gt_masks``, ``gt_classes``, ``proposal_boxes`` and
            ``loss_weights``.
    """
    instances = [i for i in instances if len(i)]
    if not instances:
        return logits.sum() * 0
    side = logits.shape[-1]
    truth = cat([i.gt_masks.crop_and_resize(i.proposal_boxes.tensor, side) for i in instances]).to(
        logits
    )
    classes = cat([i.gt_classes for i in instances])
    if logits.shape[1] == 1:
        classes = torch.zeros_like(classes)
    own = logits[torch.arange(len(classes), device=logits.device), classes]
    losses = F.binary_cross_entropy_with_logits(own, truth, reduction="none").mean(dim=(1, 2))
    return (losses * cat([i.loss_weights for i in instances])).mean()
