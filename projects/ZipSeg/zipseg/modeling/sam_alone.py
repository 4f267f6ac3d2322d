"""SAM alone: its automatic masks, each classified by CLIP on the masked crop (the baseline)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor, nn

from ..data.vocabulary import class_names
from ..structures import Masks, Present, Proposals, mask_boxes, resized_mask
from .build import build_stages, build_text, classifying_network, input_format, segmenter_of
from .networks.clip_crops import ClipCrops
from .networks.preprocess import to_rgb
from .networks.segmenters import Segmenter
from .networks.weights import load_clip
from .stages.classification import ScoreCategories
from .stages.scoring import ToInstances


@META_ARCH_REGISTRY.register()
class SamAlone(nn.Module):
    """Segments everything, then classifies every mask; no boundary prior, no image-level scores.

    Args:
        crops: CLIP on masked crops.
        segmenter: whose automatic mask generator segments everything.
        settings: of that generator, see ``Segmenter.mask_generator``.
        names: the C category names.
        text: their embeddings [C, D].
        empty_text: the empty string's embedding [D].
        score_categories: embeddings and texts to scores.
        to_instances: masks with the scores of their crops to instances.
        power: of the predicted IoU in a mask's quality, as for Zip.
        input_format: "BGR" or "RGB".
    """

    @configurable
    def __init__(
        self,
        *,
        crops: ClipCrops,
        segmenter: Segmenter,
        settings: dict[str, float],
        names: Sequence[str],
        text: Tensor,
        empty_text: Tensor,
        score_categories: ScoreCategories,
        to_instances: ToInstances,
        power: float,
        input_format: str,
    ) -> None:
        super().__init__()
        self.crops, self.segmenter = crops, segmenter
        self._generate = segmenter.mask_generator(**settings)
        self._score_categories, self._to_instances = score_categories, to_instances
        self._power = power
        self.names, self.input_format = tuple(names), input_format
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("empty_text", empty_text, persistent=False)

    @classmethod
    def from_config(cls, cfg):
        zip_, own = cfg.MODEL.ZIP, cfg.MODEL.SAM_ALONE
        names = class_names(cfg)
        network = classifying_network(cfg)
        clip, tokenizer = load_clip(
            zip_[network].ARCH, zip_[network].WEIGHTS, f"MODEL.ZIP.{network}"
        )
        text, empty_text = build_text(cfg, clip, tokenizer, names, network)
        stages = build_stages(cfg, clip)
        return {
            "crops": ClipCrops(clip.visual, cfg.MODEL.ZIP.SCORING.CROP_SIZE),
            "segmenter": segmenter_of(cfg),
            "settings": {
                "points_per_side": own.POINTS_PER_SIDE,
                "points_per_batch": zip_.SEGMENTER.PROMPT_BATCH,
                "pred_iou_thresh": own.PRED_IOU_THRESH,
                "stability_score_thresh": own.STABILITY_SCORE_THRESH,
            },
            "names": names,
            "text": text,
            "empty_text": empty_text,
            "score_categories": stages.score_categories,
            "to_instances": replace(stages.to_instances, category_score="crop"),
            "power": zip_.RATING.PREDICTED_IOU,
            "input_format": input_format(cfg),
        }

    @property
    def device(self) -> torch.device:
        return self.text.device

    @torch.no_grad()
    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        """Detectron2's contract, as ``Zip``; masks have the size of the input image, resized to the
        asked one.

        Raises:
            RuntimeError: in training mode.
        """
        if self.training:
            raise RuntimeError("SamAlone is training-free: call .eval() first.")
        return [{"instances": self._segment(entry)} for entry in batched_inputs]

    def _segment(self, entry: dict) -> Instances:
        image = to_rgb(entry["image"].to(self.device), self.input_format)
        found = self._generate(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))
        size = image.shape[-2:]
        stacked = (
            np.stack([each["segmentation"] for each in found]) if found else np.zeros((0, *size))
        )
        mask = torch.as_tensor(stacked, dtype=torch.bool, device=self.device)
        iou = torch.tensor([each["predicted_iou"] for each in found], device=self.device)
        point = torch.tensor([each["point_coords"][0] for each in found], device=self.device)
        present, place, score = self._classify(image, mask)
        point = point.float().reshape(-1, 2)
        by_point = torch.ones_like(place, dtype=torch.bool)
        proposals = Proposals(place, mask_boxes(mask), point, torch.zeros_like(place), by_point)
        asked = resized_mask(mask, (entry.get("height", size[0]), entry.get("width", size[1])))
        masks = Masks(asked, iou.float().clamp(0, 1))
        return self._to_instances(proposals, masks, present, masks.iou**self._power, score)

    def _classify(self, image: Tensor, mask: Tensor) -> tuple[Present, Tensor, Tensor]:
        """The categories of M masks, the place of each mask's among them [M] and its score [M].

        A category's own score is that of its best mask.
        """
        if len(mask):
            embedding = self.crops(image, mask)
            score, category = self._score_categories(embedding, self.text, self.empty_text).max(1)
        else:
            score, category = self.text.new_zeros(0), self.text.new_zeros(0, dtype=torch.int64)
        categories, place = category.unique(return_inverse=True)
        best = score.new_zeros(len(categories)).scatter_reduce(0, place, score, "amax")
        order = best.argsort(descending=True, stable=True)
        return Present(categories[order], best[order]), order.argsort()[place], score
