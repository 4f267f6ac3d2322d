"""Simple copy-paste: objects of one image appear in another, in front of what is there.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation",
CVPR 2021; objects move and shrink as in CutLER, CVPR 2023, section 3.3.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.structures import BitMasks, Boxes, Instances
from torch import Tensor


class CopyPaste(NamedTuple):
    """Collates a batch: each image may get some objects of the next one, the last of the first.

    Randomness is numpy's, as in Detectron2's augmentations.
    """

    probability: float
    scale: tuple[float, float]
    min_visible: float

    @classmethod
    def from_config(cls, cfg: CfgNode) -> "CopyPaste | None":
        """What ``cfg.TRAINING.COPY_PASTE`` asks for; None when that is nothing."""
        part = cfg.TRAINING.COPY_PASTE
        if part.PROBABILITY <= 0:
            return None
        return cls(part.PROBABILITY, tuple(part.SCALE), part.MIN_VISIBLE)

    def __call__(self, batch: list[dict]) -> list[dict]:
        """Entries have ``image`` uint8 [3, h, w] and ``instances`` with ``gt_masks`` (BitMasks)."""
        if len(batch) < 2:
            return batch
        return [
            self._with_pasted(entry, batch[(place + 1) % len(batch)])
            if np.random.uniform() < self.probability
            else entry
            for place, entry in enumerate(batch)
        ]

    def _with_pasted(self, entry: dict, source: dict) -> dict:
        objects = source["instances"]
        if objects.has("gt_ignore"):
            objects = objects[~objects.gt_ignore]
        if not len(objects):
            return entry
        number = np.random.randint(1, len(objects) + 1)
        chosen = np.random.permutation(len(objects))[:number].tolist()
        image, size = entry["image"].clone(), tuple(entry["image"].shape[1:])
        masks = torch.zeros((0, *size), dtype=torch.bool)
        taken = []
        for index in chosen:
            patch, mask = self._resized(source["image"], objects.gt_masks.tensor[index])
            placed = _place(image, patch, mask)
            if placed is not None:
                masks = torch.cat([masks & ~placed, placed[None]])
                taken.append(index)
        if not taken:
            return entry
        pasted = Instances(size, **objects[torch.tensor(taken)].get_fields())
        pasted.gt_masks = BitMasks(masks)
        if entry["instances"].has("gt_ignore"):
            pasted.gt_ignore = torch.zeros(len(taken), dtype=torch.bool)
        return entry | {"image": image, "instances": self._merged(entry["instances"], pasted)}

    def _resized(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The object's box of the image, uint8 [3, h, w], and mask [h, w], at a random size."""
        rows, columns = torch.nonzero(mask.any(1))[:, 0], torch.nonzero(mask.any(0))[:, 0]
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        patch, mask = image[:, box[0], box[1]], mask[box]
        scale = np.random.uniform(*self.scale)
        size = [max(1, round(side * scale)) for side in mask.shape]
        patch = F.interpolate(
            patch[None].float(), size, mode="bilinear", align_corners=False, antialias=True
        )[0]
        mask = F.interpolate(mask[None, None].float(), size, mode="nearest")[0, 0] > 0
        return patch.round().clamp(0, 255).to(torch.uint8), mask

    def _merged(self, below: Instances, above: Instances) -> Instances:
        """Both, without what the upper ones hide; boxes follow the visible part."""
        if not len(below) or not below.has("gt_masks"):
            merged = above
        else:
            area = below.gt_masks.tensor.flatten(1).sum(1)
            visible = below.gt_masks.tensor & ~above.gt_masks.tensor.any(0)
            left = visible.flatten(1).sum(1)
            boxes = BitMasks(visible).get_bounding_boxes().tensor
            changed = (left < area)[:, None]
            fields = below.get_fields() | {
                "gt_masks": BitMasks(visible),
                "gt_boxes": Boxes(torch.where(changed, boxes, below.gt_boxes.tensor)),
            }
            below = Instances(below.image_size, **fields)  # the next image may need the original
            kept = (left > 0) & (left >= self.min_visible * area)
            merged = Instances.cat([below[kept], above])
        nonempty = merged.gt_masks.nonempty()
        merged = merged[nonempty]
        own = torch.arange(len(nonempty))[nonempty] >= len(nonempty) - len(above)
        tight = merged.gt_masks.get_bounding_boxes().tensor
        merged.gt_boxes = Boxes(torch.where(own[:, None], tight, merged.gt_boxes.tensor))
        return merged


def _place(image: Tensor, patch: Tensor, mask: Tensor) -> Tensor | None:
    """Draws the patch at a random place of the image, in place; its mask there [H, W], or None
    when it does not fit."""
    (height, width), (h, w) = image.shape[1:], mask.shape
    if h > height or w > width:
        return None
    top, left = np.random.randint(height - h + 1), np.random.randint(width - w + 1)
    whole = torch.zeros((height, width), dtype=torch.bool)
    window = slice(top, top + h), slice(left, left + w)
    whole[window] = mask
    image[:, window[0], window[1]] = torch.where(mask, patch, image[:, window[0], window[1]])
    return whole
