"""Captions of whole scenes, and which captions are true of which scenes."""

from typing import NamedTuple

import numpy as np
import open_clip
import torch
from torch import Tensor

from ...modeling.networks.clip_text import DEFAULT_TEMPLATES
from ..scenes import CATEGORY_NAMES, UNSEEN_NAMES, Scene
from ..scenes.captions import MOST_COUNTED, caption, counted
from ..scenes.splits import COLOURS, MATERIALS, NOUN

SEEN_NAMES = tuple(name for name in CATEGORY_NAMES if name not in UNSEEN_NAMES)
WORDS = (*COLOURS, *MATERIALS)


_PHRASES = tuple(f"{word} {NOUN}" for word in WORDS)


class Captions(NamedTuple):
    """K captions and their truth for B scenes: ``text`` K strings, ``true`` bool [B, K]. The first
    ``distinct`` captions differ in content; ``colourless``, bool [K], are those of no colour."""

    text: list[str]
    true: Tensor
    distinct: int
    colourless: Tensor


def present_names(category: np.ndarray) -> np.ndarray:
    """Which of ``CATEGORY_NAMES`` a scene's caption may name.

    Args:
        category: int8 [B, M] categories of the objects, padded by -1.

    Returns:
        bool [B, C].
    """
    present = np.zeros((len(category), len(CATEGORY_NAMES) + 1), bool)
    np.put_along_axis(present, category.astype(np.int64), True, axis=1)
    return present[:, :-1]


def caption_batch(category: np.ndarray, longs: int, rng: np.random.Generator) -> Captions:
    """Captions for a batch of scenes.

    They are every seen name and every single word of the names ("red cushion", "striped
    cushion"), which shows the text tower what a name is made of, and numbers of a name ("three red
    striped cushions"), for which touching objects have to be told apart, each in a random template
    of the prompt ensemble; captions of all that some of the scenes hold; and a template without a
    name, which is true of every scene. A caption is true of each scene that holds all names it
    speaks of, one with a number of each scene that holds just as many, so captions of equal content
    are never each other's negatives. Unseen names occur in no caption, not even in false ones.

    Args:
        category: int8 [B, M] categories of the objects, padded by -1.
        longs: for how many scenes, the first ones, to tell all names.
        rng: decides the wording.
    """
    present = present_names(category)
    names = present[:, [CATEGORY_NAMES.index(name) for name in SEEN_NAMES]]
    has_word = np.stack(
        [present[:, [word in name.split() for name in CATEGORY_NAMES]].any(1) for word in WORDS], 1
    )
    lists = ~(present[None, :longs] & ~present[:, None]).any(2)
    always = np.ones((len(present), 1), bool)
    numbers = _numbers(category[longs : 2 * longs], rng)
    short = [*SEEN_NAMES, *_PHRASES, "", *(counted(CATEGORY_NAMES[c], n) for c, n in numbers)]
    templates = rng.integers(0, len(DEFAULT_TEMPLATES), len(short))
    text = [
        DEFAULT_TEMPLATES[t].replace("{}", name) for t, name in zip(templates, short, strict=True)
    ]
    text += [_tell(row[row >= 0], rng) for row in category[:longs]]
    exact = [(category == c).sum(1) == n for c, n in numbers]
    exact = np.array(exact, bool).reshape(len(numbers), len(present)).T
    true = torch.from_numpy(np.concatenate([names, has_word, always, exact, lists], 1))
    colourless = torch.zeros(len(text), dtype=torch.bool)
    materials = len(SEEN_NAMES) + len(COLOURS)
    colourless[materials : materials + len(MATERIALS) + 1] = True  # and the empty caption after
    return Captions(text, true, len(short), colourless)


def _numbers(category: np.ndarray, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Category and number: for each scene one that is true, and one that is off by one; never the
    number one, which some templates have for any number ("a photo of one {}")."""
    pairs = {}
    for row in category[(category >= 0).any(1)]:
        held = row[row >= 0]
        chosen = int(rng.choice(held))
        number = int((held == chosen).sum())
        off = number + (1 if number == 1 or rng.integers(2) else -1)
        pairs |= {(chosen, number): None, (chosen, off): None}
    return [pair for pair in pairs if 1 < pair[1] <= MOST_COUNTED]


def _tell(categories: np.ndarray, rng: np.random.Generator) -> str:
    return caption(Scene(None, None, categories), rng, DEFAULT_TEMPLATES)


class Vocabulary:
    """The few tokens that captions use, renumbered in the tokenizer's order.

    The order is kept because CLIP finds the end of a text as its largest token.

    Args:
        tokenizer: of the CLIP to be trained.

    Attributes:
        ids: int64 [T] ascending ids of the tokenizer.
    """

    def __init__(self, tokenizer: open_clip.SimpleTokenizer):
        self._tokenizer = tokenizer
        rng = np.random.default_rng(0)
        texts = [t.replace("{}", name) for t in DEFAULT_TEMPLATES for name in (*_PHRASES, "")]
        for index in map(CATEGORY_NAMES.index, SEEN_NAMES):
            texts += [_tell(np.full(1 + n % 14, index), rng) for n in range(56)]
        texts += [_tell(rng.permutation(len(CATEGORY_NAMES))[:3], rng) for _ in range(200)]
        texts += [counted(SEEN_NAMES[0], n) for n in range(2, MOST_COUNTED + 1)]
        self.ids = torch.unique(tokenizer(texts))

    def __call__(self, texts: list[str]) -> Tensor:
        """Renumbered tokens int64 [len(texts), context].

        Raises:
            ValueError: a text has a token that no caption uses.
        """
        tokens = self._tokenizer(texts)
        numbers = torch.searchsorted(self.ids, tokens).clamp(max=len(self.ids) - 1)
        if not torch.equal(self.ids[numbers], tokens):
            raise ValueError("a text has a token that no caption uses")
        return numbers
