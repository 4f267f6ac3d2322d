"""Class-agnostic training of the small SAM with boxes and points."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from segment_anything.modeling import Sam
from torch import Tensor

from ..networks.architectures import SAM_SIZE, build_sam
from .augmentation import turned
from .losses import best_candidate_loss, mask_iou, mask_losses, outline_weight
from .monitors import sam_metrics
from .precision import Precision
from .prompts import Prompts, draw_prompts
from .scenes import SceneBank, sample


class SamRecipe(NamedTuple):
    """Choices of one training."""

    batch: int = 4  # scenes
    prompts: int = 5  # objects prompted by a box, and as many by a point
    rim: float = 4.0  # weight of the pixels near an object's outline, against 1 elsewhere


class SamTask:
    """Training of the SAM; see ``loop.Task``. Arguments as for ``ClipTask``."""

    def __init__(self, train: SceneBank, held_out: SceneBank, seed: int, recipe: SamRecipe):
        self.recipe = recipe
        torch.manual_seed(seed)
        self.model = build_sam()
        self.token_ids = None
        self.seeds = train.seeds
        self.description = (
            f"{self.recipe.batch} scenes a step at {SAM_SIZE} px, each with "
            f"{2 * self.recipe.prompts} jittered boxes and points of objects and two prompts of "
            "none; focal and dice loss of the best of three candidates "
            f"and of the single mask, pixels near the outline {self.recipe.rim:g} times as heavy; "
            "squared error of the predicted IoU; no names"
        )
        self._train, self._held_out, self._seed = train, held_out, seed

    def loss(self, step: int, progress: float, precision: Precision) -> Tensor:
        rng = np.random.default_rng([self._seed, step])
        scenes = sample(step, self.recipe.batch, self._train.count, self._seed)
        self._train.ensure(scenes)
        turns = rng.integers(0, 8, len(scenes))
        pairs = list(zip(scenes, turns, strict=True))
        images = np.stack([turned(self._train.image[scene], turn) for scene, turn in pairs])
        owners = [turned(self._train.owner[scene], turn) for scene, turn in pairs]
        device = self.model.device
        inputs = _disturbed(torch.from_numpy(images).permute(0, 3, 1, 2).float(), rng).to(device)
        with precision.autocast(device):
            features = self.model.image_encoder(precision.pictures(self.model.preprocess(inputs)))
        losses = [
            self._scene_loss(feature[None], owner.astype(np.int64), rng, precision)
            for feature, owner in zip(features, owners, strict=True)
        ]
        return torch.stack(losses).mean()

    def _scene_loss(
        self, feature: Tensor, owner: np.ndarray, rng: np.random.Generator, precision: Precision
    ) -> Tensor:
        device = feature.device
        prompts = [p.to(device) for p in draw_prompts(owner, self.recipe.prompts, rng)]
        logits, iou = decode(self.model, feature, prompts, precision)
        target = torch.cat([p.target for p in prompts])
        numbers = torch.arange(int(owner.max()) + 1, device=device)[:, None, None]
        masks = (torch.from_numpy(owner).to(device)[None] == numbers).float()
        masks = F.interpolate(masks[None], logits.shape[-2:], mode="area")[0]
        meant = target >= 0
        wanted = masks[target[meant]]
        weight = outline_weight(wanted, self.recipe.rim)
        loss = best_candidate_loss(mask_losses(logits[meant], wanted, iou[meant], weight))
        if meant.all():
            return loss
        stray = mask_iou((logits[~meant] > 0)[:, :, None], masks >= 0.5).amax(dim=-1)
        return loss + 0.5 * (iou[~meant] - stray).square().mean()

    def evaluate(self) -> dict[str, float]:
        return sam_metrics(self.model, self._held_out)


def decode(
    sam: Sam, feature: Tensor, prompts: list[Prompts], precision: Precision
) -> tuple[Tensor, Tensor]:
    """All masks for all prompts of one scene, in one pass of SAM's decoder.

    Args:
        sam: the model.
        feature: [1, C, h, w] of the image encoder.
        prompts: each of as many sparse tokens.

    Returns:
        logits float32 [N, 4, 4h, 4w], the single mask first, and predicted IoU float32 [N, 4].
    """
    encoded = [p.encode(sam.prompt_encoder) for p in prompts]
    with precision.autocast(feature.device):
        logits, iou = sam.mask_decoder.predict_masks(
            image_embeddings=feature,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=torch.cat([sparse for sparse, _ in encoded]),
            dense_prompt_embeddings=torch.cat([dense for _, dense in encoded]),
        )
    return logits.float(), iou.float()


def _disturbed(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast and noise for images float [B, 3, H, W] of 0..255."""
    shade, shift, strength = rng.uniform((0.8, -15, 0), (1.2, 15, 6), (len(images), 3)).T
    noise = rng.standard_normal(images.shape, np.float32)
    shade, shift, strength = (
        torch.from_numpy(v.astype(np.float32))[:, None, None, None]
        for v in (shade, shift, strength)
    )
    return (images * shade + shift + strength * torch.from_numpy(noise)).clamp(0, 255)
