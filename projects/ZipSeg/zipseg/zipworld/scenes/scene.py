"""One scene of ZipWorld: picture, visible masks and names, all from a seed."""

from typing import NamedTuple

import cv2
import numpy as np

from .ground import blend, draw_ground, light
from .layout import Placed, arrange
from .shapes import COS, FIXED, SIN
from .splits import CATEGORY_NAMES, SPLITS, is_pretraining
from .textures import PALETTE, jitter, pattern, variant


class Scene(NamedTuple):
    """A rendered scene.

    Attributes:
        image: uint8 [256, 256, 3] RGB.
        masks: bool [N, 256, 256] visible part of each object, pairwise disjoint, N >= 1.
        categories: int64 [N] index into ``CATEGORY_NAMES``.
    """

    image: np.ndarray
    masks: np.ndarray
    categories: np.ndarray


def _shade(rng: np.random.Generator, cover: np.ndarray, size: int) -> np.ndarray:
    """Brightness over one object, 256 = unchanged: a slope of its own, darker towards the rim, and
    the dark seam that every cushion has."""
    h, w = cover.shape
    angle, slope = int(rng.integers(0, 360)), int(rng.integers(0, 70))
    x = np.arange(w, dtype=np.int32)[None] - w // 2
    y = np.arange(h, dtype=np.int32)[:, None] - h // 2
    ramp = (x * int(COS[angle]) + y * int(SIN[angle])) // FIXED * slope // size
    border = 4
    padded = cv2.copyMakeBorder(cover, border, border, border, border, cv2.BORDER_CONSTANT)
    inner = cv2.blur(padded, (7, 7))[border:-border, border:-border].astype(np.int32)
    deep = cv2.erode(padded, np.ones((5, 5), np.uint8))[border:-border, border:-border]
    seam = (255 - deep.astype(np.int32)) * int(rng.integers(95, 125)) // 255
    return 256 + ramp - (255 - inner) * int(rng.integers(30, 60)) // 255 - seam


class _Style(NamedTuple):
    """What the objects of one name share in a scene: two colours and the pattern."""

    base: np.ndarray
    mark: np.ndarray
    material: str


def _style(rng: np.random.Generator, name: str) -> _Style:
    colour, material, _ = name.split()
    base = jitter(rng, np.array(PALETTE[colour]), 14)
    return _Style(base, variant(rng, base, colour == "white"), material)


def _paint(rng: np.random.Generator, item: Placed, style: _Style) -> np.ndarray:
    """Picture of one object, uint8 [3, h, w], meant to be blended in by its coverage.

    Neighbours of one name share their colours and their pattern: what tells them apart is the
    pattern's phase and direction, the seam around each, the light on them, and their outline.
    """
    h, w = item.coverage.shape
    share = pattern(rng, style.material, h, w).astype(np.int32)
    base = jitter(rng, style.base, 4).astype(np.int32)[:, None, None]
    colour = base + (style.mark.astype(np.int32)[:, None, None] - base) * share // 255
    shaded = colour * _shade(rng, item.coverage, item.size) >> 8
    return np.clip(shaded, 0, 255).astype(np.uint8)


def _cast_shadow(canvas: np.ndarray, item: Placed, offset: tuple[int, int], depth: int) -> None:
    """Darken ``canvas`` in place by the soft shadow of an object that is painted next."""
    pad = 6
    cover = cv2.copyMakeBorder(item.coverage, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    soft = item._replace(
        coverage=cv2.blur(cover, (5, 5)), x=item.x - pad + offset[0], y=item.y - pad + offset[1]
    )
    window, local = soft.window()
    dark = 256 - (soft.coverage[local].astype(np.uint16) * depth >> 8)
    part = canvas[(slice(None), *window)]
    part[:] = part * dark >> 8


def render_scene(seed: int) -> Scene:
    """Render the scene of a seed; the same bytes on every machine.

    Seeds of the pre-training splits follow their rules (see ``layout.arrange``).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    layout = arrange(rng, is_pretraining(seed))
    categories = np.array([item.category for item in layout.objects], np.int64)
    styles = {c: _style(rng, CATEGORY_NAMES[c]) for c in dict.fromkeys(categories.tolist())}
    avoid = np.array([style.base for style in styles.values()])
    canvas = draw_ground(rng, avoid)
    offset = tuple(rng.integers(-4, 5, 2).tolist())
    depth = int(rng.integers(25, 90))
    for item in layout.objects:
        _cast_shadow(canvas, item, offset, depth)
        window, local = item.window()
        picture = _paint(rng, item, styles[item.category])
        part = canvas[(slice(None), *window)]
        part[:] = blend(part, picture[(slice(None), *local)], item.coverage[local])
    lit = (canvas * light(rng) >> 8).astype(np.int16)
    noisy = lit + rng.integers(-5, 6, canvas.shape, np.int8)
    image = np.ascontiguousarray(np.clip(noisy, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    masks = layout.owner == np.arange(len(layout.objects), dtype=np.int16)[:, None, None]
    return Scene(image, masks, categories)


def scene_for(split: str, index: int) -> Scene:
    """Scene number ``index`` of a split; raises KeyError or IndexError for what does not exist."""
    return render_scene(SPLITS[split][index])
