"""Training pictures: windows into scenes, and what a caption of one may speak of."""

from typing import NamedTuple

import numpy as np

from .scenes import SceneBank

_VISIBLE_SHARE = 0.4  # of an object that is seen in the scene, or ...
_VISIBLE_PIXELS = 500  # ... of the scene, from which on a window shows it


class Pictures(NamedTuple):
    """B pictures: ``image`` B arrays uint8 [S, S, 3] of sides of their own; ``category`` int8
    [B, M] what they show, padded by -1; ``place`` int [B, 3] top, left and side in the scene."""

    image: list[np.ndarray]
    category: np.ndarray
    place: np.ndarray


def draw_windows(
    bank: SceneBank, scenes: np.ndarray, sides: tuple[int, int], rng: np.random.Generator
) -> Pictures:
    """A window into each scene, around some object of it: the picture that a photographer takes of
    a part of the scene, whose caption then tells what that part shows.

    Args:
        bank: the scenes, those asked for rendered.
        scenes: int [B] indices.
        sides: least and largest side of a window in the scene's pixels; the whole scene if both
            are its side.
        rng: decides sides and places.
    """
    images, places, categories = [], [], np.full((len(scenes), bank.category.shape[1]), -1, np.int8)
    for row, scene in enumerate(scenes.tolist()):
        owner, category = bank.owner[scene], bank.category[scene]
        whole = owner.shape[0]
        side = int(rng.integers(sides[0], sides[1] + 1))
        top, left = window_corner(owner, side, rng)
        places.append((top, left, side))
        window = owner[top : top + side, left : left + side]
        images.append(np.ascontiguousarray(bank.image[scene, top : top + side, left : left + side]))
        if side == whole:
            categories[row] = category
            continue
        seen = np.bincount(window[window >= 0], minlength=len(category))
        total = np.bincount(owner[owner >= 0], minlength=len(category))
        shown = (seen > 0) & ((seen >= _VISIBLE_SHARE * total) | (seen >= _VISIBLE_PIXELS))
        shown[seen.argmax()] = True  # the window was laid around an object
        named = category[shown & (category >= 0)]
        categories[row, : len(named)] = named
    return Pictures(images, categories, np.array(places))


def window_corner(owner: np.ndarray, side: int, rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a window of ``side`` pixels around some object of an owner map [H, W]."""
    room = owner.shape[0] - side
    inside = np.flatnonzero(owner >= 0)
    y, x = divmod(int(inside[rng.integers(len(inside))]), owner.shape[1])
    shift_y, shift_x = (rng.uniform(0.2, 0.8, 2) * side).astype(int).tolist()
    return min(max(y - shift_y, 0), room), min(max(x - shift_x, 0), room)
