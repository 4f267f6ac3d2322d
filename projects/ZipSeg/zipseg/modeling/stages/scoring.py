"""Scores, duplicates and caps: masks to Detectron2 instances."""

import torch
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, Instances
from torch import Tensor

from ...structures import Masks, Present, Proposals
from ...structures.masks import mask_boxes

NAME_SCORES = ("image", "crop", "both")


def to_instances(
    proposals: Proposals,
    masks: Masks,
    present: Present,
    crop_score: Tensor | None = None,
    *,
    name_score: str = "image",
    nms_threshold: float,
    nms_across: bool = False,
    min_score: float,
    max_detections: int,
) -> Instances:
    """Instances of one image at the size of the masks, best first.

    score = sqrt(name score * predicted IoU), the geometric mean of the paper. Boxes are those of
    the masks; empty masks are dropped. Duplicates go by non-maximum suppression.

    Args:
        proposals, masks: the same N proposals in the same order.
        present: the names ``proposals.category`` points into.
        crop_score: the score of each object's name for its masked crop [N], 0..1.
        name_score: one of ``NAME_SCORES``, "image" for the paper's S_img.
        nms_threshold: box IoU above which the lower score goes ...
        nms_across: ... of any category, not of the same alone.
        min_score: instances below go.
        max_detections: at most so many remain.
    """
    category = present.category[proposals.category]
    by_name = present.score[proposals.category]
    if name_score != "image":
        by_name = crop_score if name_score == "crop" else (by_name * crop_score).sqrt()
    score = (by_name * masks.iou).sqrt()
    box = mask_boxes(masks.mask)
    usable = (box[:, 2] > box[:, 0]) & (score >= min_score)
    index = usable.nonzero()[:, 0]
    group = torch.zeros_like(category) if nms_across else category
    keep = index[batched_nms(box[index], score[index], group[index], nms_threshold)]
    keep = keep[:max_detections]
    return Instances(
        tuple(masks.mask.shape[-2:]),
        pred_boxes=Boxes(box[keep]),
        scores=score[keep],
        pred_classes=category[keep],
        pred_masks=masks.mask[keep],
    )
