"""Class-agnostic training of the small SAM with boxes and points."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from segment_anything.modeling import Sam
from torch import Tensor

from ..networks.architectures import SAM_SIZE, SAM_STRIDE, build_sam
from .augmentation import turned
from .losses import best_candidate_loss, mask_iou, mask_losses, outline_weight
from .monitors import sam_metrics
from .pictures import window_corner
from .precision import Precision
from .prompts import Prompts, draw_prompts
from .scenes import SceneBank, sample


class SamRecipe(NamedTuple):
    """Choices of one training. A window costs a quarter of a scene and its prompts just as little;
    scenes as a whole are needed too, for what a box or a point must not be taken for."""

    batch: int = 4  # scenes, or twice as many windows
    window: int = 128  # pixels of a window's side, a multiple of the stride
    windows: float = 0.75  # share of the steps
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
            f"{2 * recipe.batch} windows of {recipe.window} px into scenes, at their own "
            f"positions, in {recipe.windows:.0%} of the steps, {recipe.batch} scenes at {SAM_SIZE} "
            "px in the others, each with "
            f"{2 * recipe.prompts} jittered boxes and points of objects and two prompts of "
            "none; focal and dice loss of the best of three candidates "
            f"and of the single mask, pixels near the outline {recipe.rim:g} times as heavy; "
            "squared error of the predicted IoU; no names"
        )
        self._train, self._held_out, self._seed = train, held_out, seed

    def loss(self, step: int, progress: float, precision: Precision) -> Tensor:
        rng, recipe = np.random.default_rng([self._seed, step]), self.recipe
        windows = rng.random() < recipe.windows
        side, batch = (recipe.window, 2 * recipe.batch) if windows else (SAM_SIZE, recipe.batch)
        scenes = sample(step, batch, self._train.count, self._seed)
        self._train.ensure(scenes)
        images, owners, corners = zip(*(self._picture(s, side, rng) for s in scenes), strict=True)
        inputs = _disturbed(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float(), rng)
        inputs = _normalised(self.model, inputs.to(self.model.device))
        with precision.autocast(inputs.device):
            features = self.model.image_encoder(precision.pictures(inputs))
        losses = [
            self._scene_loss(feature[None], owner, corner, rng, precision)
            for feature, owner, corner in zip(features, owners, corners, strict=True)
        ]
        return torch.stack(losses).mean()

    def _picture(
        self, scene: int, side: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Image uint8 [side, side, 3], owner map int64 [side, side] and the top left corner, in
        pixels, of a window into a turned scene."""
        turn = int(rng.integers(8))
        image, owner = (turned(v[scene], turn) for v in (self._train.image, self._train.owner))
        top, left = (SAM_STRIDE * (v // SAM_STRIDE) for v in window_corner(owner, side, rng))
        area = slice(top, top + side), slice(left, left + side)
        owner = owner[area]
        numbers = np.unique(owner[owner >= 0])  # of the objects that the window shows
        renumbered = np.where(owner >= 0, np.searchsorted(numbers, owner), -1)
        return image[area], renumbered, (top, left)

    def _scene_loss(
        self,
        feature: Tensor,
        owner: np.ndarray,
        corner: tuple[int, int],
        rng: np.random.Generator,
        precision: Precision,
    ) -> Tensor:
        device = feature.device
        prompts = [p.to(device) for p in draw_prompts(owner, self.recipe.prompts, rng)]
        logits, iou = decode(self.model, feature, prompts, precision, corner)
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
    sam: Sam,
    feature: Tensor,
    prompts: list[Prompts],
    precision: Precision,
    corner: tuple[int, int] = (0, 0),
) -> tuple[Tensor, Tensor]:
    """All masks for all prompts of one scene, in one pass of SAM's decoder.

    Args:
        sam: the model.
        feature: [1, C, h, w] of the image encoder, for the whole input or a window into it.
        prompts: each of as many sparse tokens; pixels of the window.
        corner: top and left of the window in the input, multiples of the stride.

    Returns:
        logits float32 [N, 4, 4h, 4w], the single mask first, and predicted IoU float32 [N, 4].
    """
    top, left = corner
    encoded = [p.moved(left, top).encode(sam.prompt_encoder) for p in prompts]
    height, width = feature.shape[-2:]
    y, x = top // SAM_STRIDE, left // SAM_STRIDE
    positions = sam.prompt_encoder.get_dense_pe()[..., y : y + height, x : x + width]
    dense = torch.cat([dense for _, dense in encoded])[..., :height, :width]  # the same everywhere
    with precision.autocast(feature.device):
        logits, iou = sam.mask_decoder.predict_masks(
            image_embeddings=feature,
            image_pe=positions,
            sparse_prompt_embeddings=torch.cat([sparse for sparse, _ in encoded]),
            dense_prompt_embeddings=dense,
        )
    return logits.float(), iou.float()


def _normalised(sam: Sam, images: Tensor) -> Tensor:
    """What ``Sam.preprocess`` does, without padding a window to the size of the whole input."""
    return (images - sam.pixel_mean) / sam.pixel_std


def _disturbed(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast and noise for images float [B, 3, H, W] of 0..255."""
    shade, shift, strength = rng.uniform((0.8, -15, 0), (1.2, 15, 6), (len(images), 3)).T
    noise = rng.standard_normal(images.shape, np.float32)
    shade, shift, strength = (
        torch.from_numpy(v.astype(np.float32))[:, None, None, None]
        for v in (shade, shift, strength)
    )
    return (images * shade + shift + strength * torch.from_numpy(noise)).clamp(0, 255)
