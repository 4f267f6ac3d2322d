"""Scores, duplicates and caps: masks to Detectron2 instances."""

import torch
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, Instances
from torch import Tensor

from .types import Masks, Objects, Present


def to_instances(
    objects: Objects,
    masks: Masks,
    present: Present,
    nms_threshold: float,
    min_score: float,
    max_detections: int,
) -> Instances:
    """Instances of one image at the size of the masks, best first.

    score = sqrt(S_img * predicted IoU), the geometric mean of the paper. Boxes are those of the
    masks; empty masks are dropped. Duplicates go by non-maximum suppression within a category.

    Args:
        objects, masks: the same N objects in the same order.
        present: the names ``objects.category`` points into.
        nms_threshold: box IoU above which the lower score goes.
        min_score: instances below go.
        max_detections: at most so many remain.
    """
    category = present.category[objects.category]
    score = (present.score[objects.category] * masks.iou).sqrt()
    box = mask_boxes(masks.mask)
    usable = (box[:, 2] > box[:, 0]) & (score >= min_score)
    index = usable.nonzero()[:, 0]
    keep = index[batched_nms(box[index], score[index], category[index], nms_threshold)]
    keep = keep[:max_detections]
    return Instances(
        tuple(masks.mask.shape[-2:]),
        pred_boxes=Boxes(box[keep]),
        scores=score[keep],
        pred_classes=category[keep],
        pred_masks=masks.mask[keep],
    )


def mask_boxes(mask: Tensor) -> Tensor:
    """Tight boxes float32 [N, 4], XYXY with exclusive ends; zeros for an empty mask [N, H, W]."""
    spans = [_span(mask.any(dim=1)), _span(mask.any(dim=2))]
    return torch.stack([spans[0][0], spans[1][0], spans[0][1], spans[1][1]], dim=1).float()


def _span(line: Tensor) -> tuple[Tensor, Tensor]:
    """First and one past the last True of each row of bool [N, L]; 0 and 0 where there is none."""
    first = line.int().argmax(dim=1)
    end = line.shape[1] - line.flip(1).int().argmax(dim=1)
    return first, torch.where(line.any(dim=1), end, first)
