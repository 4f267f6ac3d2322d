"""Contrastive training of a CLIP on pictures of scenes and their captions."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..networks.architectures import PARTS, build_clip, build_tokenizer
from .augmentation import clip_batch, false_colours
from .captions import Vocabulary, caption_batch
from .losses import sigmoid_contrastive_loss, spread_loss
from .monitors import naming_metrics
from .pictures import draw_windows
from .precision import Precision
from .scenes import SceneBank, sample
from .towers import encode_anywhere, hide_patches

_SPREAD = 20.0  # weight of the spread loss
# A unit vector must be sure of several captions at once, so small cosines have to count.
_LEAST_LOGIT_SCALE = math.log(30)
_WHOLE = (256, 256)


class View(NamedTuple):
    """A kind of training picture."""

    share: float  # of the steps
    size: int  # pixels of the network's input
    sides: tuple[int, int]  # least and largest side of the window into the scene, pixels
    times: float = 1.0  # how many times the recipe's batch a step takes


class ClipRecipe(NamedTuple):
    """Choices of one training.

    First come small windows, which show one name or two: a caption of few things says most, and
    small pictures cost little. Then every size is drawn at random, so that a training may be
    stopped at any time.
    """

    batch: int  # pictures
    longs: int  # captions that tell all names, a step, and pictures of which a number is told
    first: float  # share of the steps with the first view alone
    views: tuple[View, ...]
    recoloured: float = 0.4  # share of the pictures in false colours, asked for materials alone
    hidden: float = 0.0  # share of a ViT's patches that a step leaves out (arXiv 2212.00794)
    teacher: str = ""  # the part of which the text tower is taken as it is, and image embeddings
    distilled: float = 0.0  # weight of 1 - cosine to the teacher's image embeddings


RECIPES = {
    "resnet": ClipRecipe(
        batch=96,
        longs=12,
        first=0.15,
        views=(View(0.7, 64, (60, 144)), View(0.15, 96, (128, 224)), View(0.15, 128, _WHOLE, 0.5)),
    ),
    "vit": ClipRecipe(
        batch=96,
        longs=12,
        first=0.3,
        views=(
            View(0.65, 64, (60, 144)),
            View(0.2, 96, (96, 224)),
            View(0.15, 128, (128, 256), 0.5),
        ),
        teacher="resnet",
        distilled=10.0,
    ),
}


class ClipTask:
    """Training of one CLIP; see ``loop.Task``.

    Args:
        part: "vit" or "resnet".
        scenes: to take pictures of.
        held_out: scenes for the metrics.
        seed: decides weights and batches.
        recipe: ``RECIPES[part]`` or a change of it.
        teacher: the CLIP that ``recipe.teacher`` names, with the tokens of ``Vocabulary``.
    """

    def __init__(
        self,
        part: str,
        scenes: SceneBank,
        held_out: SceneBank,
        seed: int,
        recipe: ClipRecipe,
        teacher: torch.nn.Module | None = None,
    ):
        self.recipe = recipe
        self.arch = PARTS[part]
        self.vocabulary = Vocabulary(build_tokenizer(self.arch))
        torch.manual_seed(seed)
        self.model = build_clip(self.arch, len(self.vocabulary.ids))
        self.token_ids = self.vocabulary.ids
        self.seeds = scenes.seeds
        self.description = _describe(recipe)
        self._scenes, self._held_out, self._seed = scenes, held_out, seed
        self._teacher = teacher
        if teacher is not None:
            teacher.requires_grad_(False).eval()
            _take_text(self.model, teacher)

    def loss(self, step: int, progress: float, precision: Precision) -> Tensor:
        recipe, rng = self.recipe, np.random.default_rng([self._seed, step])
        device = self.model.logit_scale.device
        view = self._view(progress, rng)
        hide_patches(self.model.visual, recipe.hidden)
        batch = int(recipe.batch * view.times)
        scenes = sample(step, batch, self._scenes.count, self._seed)
        self._scenes.ensure(scenes)
        pictures = draw_windows(self._scenes, scenes, view.sides, rng)
        recoloured = int(
            recipe.recoloured * batch
        )  # the last ones; the first are told of at length
        pictures.image[batch - recoloured :] = false_colours(
            pictures.image[batch - recoloured :], rng
        )
        images = precision.pictures(clip_batch(pictures.image, view.size, rng).to(device))
        captions = caption_batch(pictures.category, recipe.longs, rng)
        coloured = torch.arange(batch) < batch - recoloured
        asked = (coloured[:, None] | captions.colourless).to(device)
        tokens = self.vocabulary(captions.text).to(device)
        # Short sequences: plain matrix products beat the fused attention of CPUs by 40 %.
        with precision.autocast(device), sdpa_kernel(SDPBackend.MATH):
            image = F.normalize(encode_anywhere(self.model.visual, images, rng).float(), dim=-1)
            text = F.normalize(self.model.encode_text(tokens).float(), dim=-1)
        with torch.no_grad():
            self.model.logit_scale.clamp_(min=_LEAST_LOGIT_SCALE)
        logits = self.model.logit_scale.exp() * (image @ text.T) + self.model.logit_bias
        loss = sigmoid_contrastive_loss(logits, captions.true.to(device), asked)
        if self._teacher is None:
            return loss + _SPREAD * spread_loss(text[: captions.distinct])
        with torch.no_grad(), precision.autocast(device):
            wanted = encode_anywhere(self._teacher.visual, images, rng).float()
        distance = 1 - F.cosine_similarity(image, wanted, dim=-1)
        return loss + recipe.distilled * distance.mean()

    def _view(self, progress: float, rng: np.random.Generator) -> View:
        views = self.recipe.views
        if progress < self.recipe.first:
            return views[0]
        return views[rng.choice(len(views), p=[view.share for view in views])]

    def evaluate(self) -> dict[str, float]:
        return naming_metrics(self.model, self.vocabulary, self._held_out)


def _take_text(model: torch.nn.Module, teacher: torch.nn.Module) -> None:
    """Puts the teacher's text tower into a model, in place, where no training changes it; scale
    and bias begin as the teacher's."""
    state = teacher.state_dict()
    own = model.state_dict()
    model.load_state_dict({k: own[k] if k.startswith("visual.") else state[k] for k in own})
    for name, parameter in model.named_parameters():
        if not name.startswith(("visual.", "logit_")):
            parameter.requires_grad_(False)


def _describe(recipe: ClipRecipe) -> str:
    views = [
        f"{view.size} px of windows of {view.sides[0]} to {view.sides[1]} px"
        f" ({view.share:.0%} of the steps, {int(recipe.batch * view.times)} a step)"
        for view in recipe.views
    ]
    return (
        "contrastive, pairwise sigmoid loss with several true captions a picture and captions kept "
        "apart from each other, never boxes or masks; pictures are windows into scenes, captions "
        f"tell what they show; {'; '.join(views)}; the first of these alone for the first "
        f"{recipe.first:.0%} of the steps; {recipe.recoloured:.0%} of the pictures in false colours, "
        "for which captions of colours do not count: a material looks the same in every colour"
        + (
            f"; the text tower is {PARTS[recipe.teacher]}'s, whose image embeddings are learnt too "
            f"(1 - cosine, weight {recipe.distilled:g})"
            if recipe.teacher
            else ""
        )
    )
