"""SAM alone: its automatic masks, each named by CLIP on the masked crop (the paper's baseline)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor, nn

from ..structures import Masks, Present, Proposals
from ..structures.masks import resized_mask
from .build import (
    build_text,
    class_names,
    input_format,
    naming_network,
    naming_stage,
    scoring_stage,
    segmenter_of,
)
from .networks.clip_crops import ClipCrops
from .networks.preprocess import to_rgb
from .networks.segmenters import Segmenter
from .networks.weights import load_clip


@META_ARCH_REGISTRY.register()
class SamAlone(nn.Module):
    """Segments everything, then names every mask; no boundary prior, no image-level naming.

    Args:
        crops: CLIP on masked crops.
        segmenter: whose automatic mask generator segments everything.
        settings: of that generator, see ``Segmenter.mask_generator``.
        names: the C category names.
        text: their embeddings [C, D].
        empty_text: the empty string's embedding [D].
        score_names: embeddings and texts to scores.
        finish: proposals, masks and names to instances.
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
        score_names: Callable,
        finish: Callable,
        input_format: str,
    ) -> None:
        super().__init__()
        self.crops, self.segmenter = crops, segmenter
        self._generate = segmenter.mask_generator(**settings)
        self._score_names, self._finish = score_names, finish
        self.names, self.input_format = tuple(names), input_format
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("empty_text", empty_text, persistent=False)

    @classmethod
    def from_config(cls, cfg):
        zip_, own = cfg.MODEL.ZIP, cfg.MODEL.SAM_ALONE
        names = class_names(cfg)
        network = naming_network(cfg)
        clip, tokenizer = load_clip(
            zip_[network].ARCH, zip_[network].WEIGHTS, f"MODEL.ZIP.{network}"
        )
        text, empty_text = build_text(cfg, clip, tokenizer, names, network)
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
            "score_names": naming_stage(cfg, clip),
            "finish": partial(scoring_stage(cfg), name_score="image"),  # its scores are of crops
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
        score, category = self._name(image, mask)
        mask = resized_mask(mask, (entry.get("height", size[0]), entry.get("width", size[1])))
        each = torch.arange(len(mask), device=self.device)
        empty = iou.new_zeros((len(mask), 0))
        return self._finish(
            Proposals(each, empty, empty),
            Masks(mask, iou.float().clamp(0, 1)),
            Present(category, score),
        )

    def _name(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Score [M] and category [M] of the best name for each masked crop."""
        if not len(mask):
            return self.text.new_zeros(0), self.text.new_zeros(0, dtype=torch.int64)
        scores = self._score_names(self.crops(image, mask), self.text, self.empty_text)
        return tuple(scores.max(dim=1))
