"""Captions of whole scenes: which names and how many, never where."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .scene import Scene
from .splits import CATEGORY_NAMES

_NUMBERS = ("a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MOST_COUNTED = len(_NUMBERS)
_FRAMES = (
    "{}", "{}", "a photo of {}.", "a picture of {}.", "an image with {}.", "a scene with {}.",
    "there are {} in the scene.", "this is {}.", "{} on uneven ground.",
)  # fmt: skip
_LINKS = (" and ", " and ", " next to ", " with ", ", ", " beside ")


def counted(name: str, count: int) -> str:
    """Such as "a red dotted cushion", "two red dotted cushions", up to ``MOST_COUNTED``."""
    return f"a {name}" if count == 1 else f"{_NUMBERS[count - 1]} {name}s"


def _counted(rng: np.random.Generator, name: str, count: int) -> str:
    """As ``counted``, or now and then "some red striped cushions"."""
    if count > MOST_COUNTED or (count > 1 and rng.integers(0, 4) == 0):
        return f"{('several', 'some')[rng.integers(0, 2)]} {name}s"
    return counted(name, count)


def caption(scene: Scene, rng: np.random.Generator, templates: Sequence[str] = ()) -> str:
    """A caption that names everything in ``scene``, in random order.

    Args:
        scene: only ``categories`` is read.
        rng: decides the wording.
        templates: prompts with one "{}" each, such as those that names are later queried with.
            Half of the captions put the names into one of them, the others tell counts too;
            without templates all do.
    """
    counts = Counter(CATEGORY_NAMES[i] for i in scene.categories.tolist())
    names = [sorted(counts)[i] for i in rng.permutation(len(counts))]
    prompted = len(templates) > 0 and rng.integers(0, 2) == 0
    text = names[0] if prompted else _counted(rng, names[0], counts[names[0]])
    for name in names[1:]:
        count = 1 if prompted else counts[name]
        text += _LINKS[rng.integers(0, len(_LINKS))] + _counted(rng, name, count)
    frames = templates if prompted else _FRAMES
    return frames[rng.integers(0, len(frames))].format(text)
