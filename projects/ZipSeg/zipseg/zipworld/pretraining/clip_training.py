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
from .monitors import NamedFrom, naming_metrics
from .pictures import draw_windows
from .precision import Precision
from .scenes import SceneBank, sample
from .towers import encode_anywhere, encode_windows, hide_patches

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


class Regions(NamedTuple):
    """Steps whose pictures a ViT sees with the tokens of CLIP Surgery of the whole scene: their
    mean over a window is the picture's embedding (CLIPSelf, arXiv 2310.01403), so that tokens say
    what is where, at the size and along the path by which Zip asks them."""

    share: float  # of the steps
    scenes: int  # a step
    recoloured: int  # of these scenes, in false colours: the teacher knows them all the same
    sides: tuple[int, int]  # least and largest side of a window, pixels
    size: int = 64  # of the teacher's input, pixels
    blocks: int = 6  # of CLIP Surgery


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
    named_from: NamedFrom = NamedFrom(64, 0.375)  # held-out scenes, to measure
    recoloured: float = 0.4  # share of the pictures in false colours, asked for materials alone
    hidden: float = 0.0  # share of a ViT's patches that a step leaves out (arXiv 2212.00794)
    teacher: str = ""  # the part of which the text tower is taken as it is, and image embeddings
    distilled: float = 0.0  # weight of 1 - cosine to the teacher's image embeddings
    regions: Regions | None = None  # after the first lesson


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
        first=0.1,
        views=(
            View(0.75, 64, (48, 112)),
            View(0.15, 96, (96, 192)),
            View(0.1, 128, (112, 256), 0.5),
        ),
        named_from=NamedFrom(128, 0.5),
        teacher="resnet",
        distilled=10.0,
        regions=Regions(0.5, 3, 2, (24, 80)),
    ),
}


class Seen(NamedTuple):
    """Whole scenes, normalised [S, 3, H, H], and windows int [S, W, 3] of top, left and side."""

    scenes: Tensor
    place: Tensor


class _Batch(NamedTuple):
    images: Tensor  # normalised [B, 3, size, size]
    category: np.ndarray  # int8 [B, M]
    coloured: int  # how many, the first ones, are not in false colours
    seen: Seen | None = None  # the scenes of which the images are windows


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
        regions = recipe.regions
        if regions and progress >= recipe.first and rng.random() < regions.share:
            batch = self._regions(step, rng, precision)
        else:
            batch = self._pictures(step, progress, rng, precision)
        return self._loss(batch, rng, precision)

    def _pictures(
        self, step: int, progress: float, rng: np.random.Generator, precision: Precision
    ) -> _Batch:
        """Pictures that are seen as such."""
        recipe = self.recipe
        view = self._view(progress, rng)
        hide_patches(self.model.visual, recipe.hidden)
        size = int(recipe.batch * view.times)
        scenes = self._sample(step, size)
        pictures = draw_windows(self._scenes, scenes, view.sides, rng)
        # The last ones: the first are told of at length.
        plain = size - int(recipe.recoloured * size)
        coloured = pictures.image[:plain] + false_colours(pictures.image[plain:], rng)
        images = clip_batch(coloured, view.size, rng)
        return _Batch(self._ready(images, precision), pictures.category, plain)

    def _regions(self, step: int, rng: np.random.Generator, precision: Precision) -> _Batch:
        """Windows into few scenes, which are seen as a whole."""
        recipe, regions = self.recipe, self.recipe.regions
        windows = recipe.batch // regions.scenes
        scenes = self._sample(step, regions.scenes)
        pictures = draw_windows(self._scenes, scenes.repeat(windows), regions.sides, rng)
        plain = regions.scenes - regions.recoloured
        whole = [self._scenes.image[scene] for scene in scenes]
        whole = whole[:plain] + false_colours(whole[plain:], rng)
        cut = [
            whole[row // windows][top : top + side, left : left + side]
            for row, (top, left, side) in enumerate(pictures.place.tolist())
        ]
        images = self._ready(clip_batch(cut, regions.size, None), precision)
        seen = self._ready(clip_batch(whole, len(whole[0]), None), precision)
        place = torch.from_numpy(pictures.place).unflatten(0, (regions.scenes, windows))
        return _Batch(images, pictures.category, plain * windows, Seen(seen, place))

    def _sample(self, step: int, count: int) -> np.ndarray:
        scenes = sample(step, count, self._scenes.count, self._seed)
        self._scenes.ensure(scenes)
        return scenes

    def _ready(self, images: Tensor, precision: Precision) -> Tensor:
        return precision.pictures(images.to(self.model.logit_scale.device))

    def _loss(self, batch: _Batch, rng: np.random.Generator, precision: Precision) -> Tensor:
        recipe, device, count = self.recipe, batch.images.device, len(batch.images)
        captions = caption_batch(batch.category, recipe.longs, rng)
        coloured = torch.arange(count) < batch.coloured
        asked = (coloured[:, None] | captions.colourless).to(device)
        tokens = self.vocabulary(captions.text).to(device)
        visual = self.model.visual
        # Short sequences: plain matrix products beat the fused attention of CPUs by 40 %.
        with precision.autocast(device), sdpa_kernel(SDPBackend.MATH):
            if batch.seen:
                image = encode_windows(visual, *batch.seen, recipe.regions.blocks)
            else:
                image = encode_anywhere(visual, batch.images, rng)
            image = F.normalize(image.float(), dim=-1)
            text = F.normalize(self.model.encode_text(tokens).float(), dim=-1)
        with torch.no_grad():
            self.model.logit_scale.clamp_(min=_LEAST_LOGIT_SCALE)
        logits = self.model.logit_scale.exp() * (image @ text.T) + self.model.logit_bias
        loss = sigmoid_contrastive_loss(logits, captions.true.to(device), asked)
        if self._teacher is None:
            return loss + _SPREAD * spread_loss(text[: captions.distinct])
        with torch.no_grad(), precision.autocast(device):
            wanted = encode_anywhere(self._teacher.visual, batch.images, rng).float()
        distance = 1 - F.cosine_similarity(image, wanted, dim=-1)
        return loss + recipe.distilled * distance.mean()

    def _view(self, progress: float, rng: np.random.Generator) -> View:
        views = self.recipe.views
        if progress < self.recipe.first:
            return views[0]
        return views[rng.choice(len(views), p=[view.share for view in views])]

    def evaluate(self) -> dict[str, float]:
        return naming_metrics(self.model, self.vocabulary, self._held_out, self.recipe.named_from)


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
    regions = recipe.regions
    return (
        "contrastive, pairwise sigmoid loss with several true captions a picture and captions kept "
        "apart from each other, never boxes or masks; pictures are windows into scenes, captions "
        f"tell what they show; {'; '.join(views)}; the first of these alone for the first "
        f"{recipe.first:.0%} of the steps; {recipe.recoloured:.0%} of the pictures in false "
        "colours, for which captions of colours do not count: a material looks the same in every "
        "colour"
        + (
            f"; {regions.share:.0%} of the steps see {regions.scenes} whole scenes, "
            f"{regions.recoloured} of them in false colours, with CLIP Surgery's tokens, of which "
            f"the mean over windows of {regions.sides[0]} to {regions.sides[1]} px is what else a "
            "picture's embedding is (arXiv 2310.01403)"
            if regions
            else ""
        )
        + (
            f"; the text tower is {PARTS[recipe.teacher]}'s, whose image embeddings are learnt too "
            f"(1 - cosine, weight {recipe.distilled:g})"
            if recipe.teacher
            else ""
        )
    )
