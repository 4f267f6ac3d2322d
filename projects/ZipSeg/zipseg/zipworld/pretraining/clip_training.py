"""Contrastive training of a CLIP on whole scenes and their captions."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..networks.architectures import PARTS, build_clip, build_tokenizer
from .augmentation import clip_batch
from .captions import Vocabulary, caption_batch
from .losses import sigmoid_contrastive_loss, spread_loss
from .monitors import naming_metrics
from .scenes import SceneBank, sample
from .towers import encode_anywhere, hide_patches

_SPREAD = 20.0  # weight of the spread loss
# A unit vector must be sure of several captions at once, so small cosines have to count.
_LEAST_LOGIT_SCALE = math.log(30)


class Phase(NamedTuple):
    """A part of the training."""

    until: float  # share of the steps
    size: int  # pixels
    scenes: str = "pretrain"  # or "primer" or "closeup", see data.zipworld.splits
    most_objects: int = 16  # scenes of which the caption counts more are left out
    hidden: float = 0.0  # share of a ViT's patches that a step leaves out
    times: int = 1  # how many times the recipe's batch a step takes


class ClipRecipe(NamedTuple):
    """Choices of one training. Single objects come first, then small pictures of few objects: a
    caption of one thing says most, and there are many steps for little cost. Without them the
    shapes were not learnt: colours explain most captions, and patterns hide the outlines. A ViT
    needs more help: objects that fill tiny pictures, and texts that tell shapes apart already
    (arXiv 2111.07991); with plain objects of any size it knew one shape in four after 100,000
    pictures. Later steps leave out half of its patches, which halves their cost
    (arXiv 2212.00794)."""

    batch: int  # scenes
    longs: int  # captions that tell all names, a step, and scenes of which a number is told
    phases: tuple[Phase, ...]
    further: tuple[Phase, ...] = ()  # of a training that starts from shipped weights
    text: str = ""  # the part of which the shipped text tower is the first one


RECIPES = {
    "vit": ClipRecipe(
        64,
        12,
        (
            Phase(0.4, 40, "closeup", times=2),
            Phase(0.6, 64, "primer"),
            Phase(0.8, 96, most_objects=3, hidden=0.3),
            Phase(0.96, 128, hidden=0.5),
            Phase(1, 128),
        ),
        (Phase(0.6, 96, hidden=0.5), Phase(0.95, 128, hidden=0.5), Phase(1, 128)),
        text="resnet",
    ),
    "resnet": ClipRecipe(
        96,
        12,
        (
            Phase(0.65, 64, "primer"),
            Phase(0.9, 64, most_objects=3),
            Phase(0.98, 96),
            Phase(1, 128),
        ),
        (Phase(0.35, 64, "closeup"), Phase(0.65, 96, most_objects=3), Phase(1, 128)),
    ),
}


class ClipTask:
    """Training of one CLIP; see ``loop.Task``.

    Args:
        part: "vit" or "resnet".
        scenes: of every kind that the recipe's phases name.
        held_out: scenes for the metrics.
        seed: decides weights and batches.
        recipe: ``RECIPES[part]`` or a change of it.
    """

    def __init__(
        self,
        part: str,
        scenes: dict[str, SceneBank],
        held_out: SceneBank,
        seed: int,
        recipe: ClipRecipe,
    ):
        self.recipe = recipe
        self.arch = PARTS[part]
        self.vocabulary = Vocabulary(build_tokenizer(self.arch))
        torch.manual_seed(seed)
        self.model = build_clip(self.arch, len(self.vocabulary.ids), recipe.phases[-1].size)
        self.token_ids = self.vocabulary.ids
        self.seeds = [bank.seeds for bank in scenes.values()]
        self.description = _describe(recipe)
        self._banks = [scenes[phase.scenes] for phase in recipe.phases]
        self._pools = [_pool(*each) for each in zip(self._banks, recipe.phases, strict=True)]
        self._held_out, self._seed = held_out, seed

    def loss(self, step: int, progress: float) -> Tensor:
        recipe, rng = self.recipe, np.random.default_rng([self._seed, step])
        number = next(n for n, phase in enumerate(recipe.phases) if progress < phase.until)
        phase = recipe.phases[number]
        hide_patches(self.model.visual, phase.hidden)
        bank, pool = self._banks[number], self._pools[number]
        scenes = pool[sample(step, phase.times * recipe.batch, len(pool), self._seed)]
        images = clip_batch(bank.image[scenes], phase.size, rng)
        captions = caption_batch(bank.category[scenes], recipe.longs, rng)
        # Short sequences: plain matrix products beat the fused attention of CPUs by 40 %.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            image = encode_anywhere(self.model.visual, images, rng)
            text = self.model.encode_text(self.vocabulary(captions.text))
        image, text = (F.normalize(x.float(), dim=-1) for x in (image, text))
        with torch.no_grad():
            self.model.logit_scale.clamp_(min=_LEAST_LOGIT_SCALE)
        logits = self.model.logit_scale.exp() * (image @ text.T) + self.model.logit_bias
        contrast = sigmoid_contrastive_loss(logits, captions.true)
        return contrast + _SPREAD * spread_loss(text[: captions.distinct])

    def evaluate(self) -> dict[str, float]:
        return naming_metrics(self.model, self.vocabulary, self._held_out)


def _pool(bank: SceneBank, phase: Phase) -> np.ndarray:
    """Indices of the scenes that a phase takes, rendered."""
    bank.ensure(np.arange(bank.count))
    return np.flatnonzero((bank.category >= 0).sum(1) <= phase.most_objects)


def _describe(recipe: ClipRecipe) -> str:
    phases = [
        f"{phase.size} px up to {phase.until:.0%} of the steps"
        + (f" (zipworld_{phase.scenes})" if phase.scenes != "pretrain" else "")
        + (f" ({phase.times} times as many a step)" if phase.times > 1 else "")
        + (f" ({phase.hidden:.0%} of the patches left out)" if phase.hidden else "")
        + (f" (scenes of at most {phase.most_objects} objects)" if phase.most_objects < 16 else "")
        for phase in recipe.phases
    ]
    return (
        "contrastive, pairwise sigmoid loss with several true captions a scene and captions kept "
        "apart from each other, on captions of "
        f"whole scenes, never boxes or masks; {recipe.batch} scenes a step; {', '.join(phases)}"
        + (f"; the text tower begins as {PARTS[recipe.text]}'s" if recipe.text else "")
    )
