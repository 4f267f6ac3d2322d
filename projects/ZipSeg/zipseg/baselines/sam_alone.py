"""SAM alone: its automatic masks, each named by CLIP on the masked crop (the paper's baseline)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from segment_anything import SamAutomaticMaskGenerator
from torch import Tensor, nn
from torchvision.ops import roi_align

from ..build import build_text, class_names, input_format, naming_network, scoring_stage
from ..models.preprocess import CLIP_MEAN, normalise, to_rgb
from ..models.weights import load_clip, load_sam
from ..stages.naming import score_names
from ..stages.scoring import mask_boxes
from ..stages.types import Masks, Objects, Present

_CROPS_AT_ONCE = 32


@META_ARCH_REGISTRY.register()
class SamAlone(nn.Module):
    """Segments everything, then names every mask; no boundary prior, no image-level naming.

    Args:
        clip: an open_clip model.
        generator: SAM's automatic mask generator.
        names: the C category names.
        text: their embeddings [C, D].
        empty_text: the empty string's embedding [D].
        finish: objects, masks and names to instances.
        input_format: "BGR" or "RGB".
    """

    @configurable
    def __init__(
        self,
        *,
        clip: nn.Module,
        generator: SamAutomaticMaskGenerator,
        names: Sequence[str],
        text: Tensor,
        empty_text: Tensor,
        score_rule: str,
        finish: Callable,
        input_format: str,
    ) -> None:
        super().__init__()
        self.clip, self.sam = clip, generator.predictor.model
        self._generator, self._finish = generator, finish
        self.names, self.score_rule, self.input_format = tuple(names), score_rule, input_format
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
        generator = SamAutomaticMaskGenerator(
            load_sam(zip_.SAM.TYPE, zip_.SAM.WEIGHTS, "MODEL.ZIP.SAM"),
            points_per_side=own.POINTS_PER_SIDE,
            points_per_batch=zip_.SAM.PROMPT_BATCH,
            pred_iou_thresh=own.PRED_IOU_THRESH,
            stability_score_thresh=own.STABILITY_SCORE_THRESH,
        )
        return {
            "clip": clip,
            "generator": generator,
            "names": names,
            "text": text,
            "empty_text": empty_text,
            "score_rule": zip_.NAMING.SCORE,
            "finish": scoring_stage(cfg),
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
        found = self._generator.generate(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))
        size = image.shape[-2:]
        stacked = (
            np.stack([each["segmentation"] for each in found]) if found else np.zeros((0, *size))
        )
        mask = torch.as_tensor(stacked, dtype=torch.bool, device=self.device)
        iou = torch.tensor([each["predicted_iou"] for each in found], device=self.device)
        score, category = self._name(image, mask)
        mask = _resize(mask, (entry.get("height", size[0]), entry.get("width", size[1])))
        each = torch.arange(len(mask), device=self.device)
        empty = iou.new_zeros((len(mask), 0))
        return self._finish(
            Objects(each, empty, empty),
            Masks(mask, iou.float().clamp(0, 1)),
            Present(category, score),
        )

    def _name(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Score [M] and category [M] of the best name for each masked crop."""
        size = self.clip.visual.image_size
        size = size if isinstance(size, int) else size[0]
        ground = (image.new_tensor([255 * m for m in CLIP_MEAN], dtype=torch.float32)).reshape(
            3, 1, 1
        )
        scores = [self.text.new_zeros((0, len(self.names)))]
        for part in mask.split(_CROPS_AT_ONCE) if len(mask) else ():
            masked = torch.where(part[:, None], image.float(), ground)
            boxes = torch.cat(
                [torch.arange(len(part), device=part.device)[:, None], mask_boxes(part)], 1
            )
            crops = roi_align(masked, boxes, (size, size), aligned=True)
            embedding = self.clip.encode_image(normalise(crops))
            bias = getattr(self.clip, "logit_bias", None)
            scores.append(
                score_names(
                    embedding,
                    self.text,
                    self.empty_text,
                    self.clip.logit_scale.exp().item(),
                    None if bias is None else bias.item(),
                    self.score_rule,
                )
            )
        return tuple(torch.cat(scores).max(dim=1))


def _resize(mask: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(mask.shape[-2:]) == tuple(size) or not len(mask):
        return mask if len(mask) else mask.new_zeros((0, *size))
    return nn.functional.interpolate(mask[:, None].float(), size, mode="bilinear")[:, 0] > 0.5
