"""Scores, duplicates and caps: masks to Detectron2 instances."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, Instances
from torch import Tensor

from ...structures import Masks, Present, Proposals, mask_boxes, mask_ious
from .stage import Stage


@dataclass(frozen=True)
class ToInstances(Stage):
    """Instances of one image at the size of the masks, best first.

    score = sqrt(category score * quality), the geometric mean of the paper, whose quality is the
    predicted IoU. Boxes are those of the masks; empty masks are removed, and duplicates by
    non-maximum suppression.

    Args:
        category_score: "image" for the paper's S_img, "crop" for the score of the masked crop, or
            "both" for their geometric mean.
        nms_iou: of what two instances are compared, "box" or "mask".
        nms_thresh: IoU above which the lower score is removed ...
        nms_class_agnostic: ... of any category, not of the same alone.
        min_score: instances below are removed.
        max_detections: at most so many remain.
    """

    SECTIONS: ClassVar = ("SCORING",)
    category_score: str = "image"
    nms_iou: str = "box"
    nms_thresh: float = 0.7
    nms_class_agnostic: bool = False
    min_score: float = 0.0
    max_detections: int = 100

    def __post_init__(self) -> None:
        self._check_one_of("category_score", ("image", "crop", "both"))
        self._check_one_of("nms_iou", ("box", "mask"))

    def __call__(
        self,
        proposals: Proposals,
        masks: Masks,
        present: Present,
        quality: Tensor,
        crop_score: Tensor | None = None,
    ) -> Instances:
        """Instances of the model's categories, from masks in the order of the proposals.

        Args:
            present: what ``proposals.category`` points into.
            quality: of the masks [N], 0..1.
            crop_score: of each object's category for its masked crop [N], 0..1.
        """
        category = present.category[proposals.category]
        score = self._category_score(present.score[proposals.category], crop_score)
        score = (score * quality).sqrt()
        box = mask_boxes(masks.mask)
        usable = (box[:, 2] > box[:, 0]) & (score >= self.min_score)
        index = usable.nonzero()[:, 0]
        group = torch.zeros_like(category) if self.nms_class_agnostic else category
        if self.nms_iou == "box":
            keep = index[batched_nms(box[index], score[index], group[index], self.nms_thresh)]
        else:
            iou = mask_ious(masks.mask[index]) * (group[index] == group[index][:, None])
            keep = index[suppress(iou, score[index], self.nms_thresh)]
        keep = keep[: self.max_detections]
        return Instances(
            masks.size,
            pred_boxes=Boxes(box[keep]),
            scores=score[keep],
            pred_classes=category[keep],
            pred_masks=masks.mask[keep],
        )

    def _category_score(self, image: Tensor, crop: Tensor | None) -> Tensor:
        if self.category_score == "image":
            return image
        return crop if self.category_score == "crop" else (image * crop).sqrt()


def suppress(iou: Tensor, score: Tensor, thresh: float) -> Tensor:
    """Non-maximum suppression over any IoU: the places that stay, int64 [K], best score first.

    Args:
        iou: of each pair, float [N, N].
        score: [N].
        thresh: the lower of two scores is removed where the IoU is above.
    """
    order = score.argsort(descending=True, stable=True).tolist()
    above = (iou > thresh).cpu().numpy()
    kept: list[int] = []
    for place in order:
        if not above[place, kept].any():
            kept.append(place)
    return torch.tensor(kept, dtype=torch.int64, device=score.device)
