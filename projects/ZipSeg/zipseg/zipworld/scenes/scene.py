"""One scene of ZipWorld: picture, visible masks and names, all from a seed."""

from typing import NamedTuple

import cv2
import numpy as np

from .ground import blend, draw_ground, light, plain
from .layout import Placed, arrange, one_large
from .shapes import COS, FIXED, SIN
from .splits import CATEGORY_NAMES, SPLITS, is_closeup, is_pretraining, is_primer
from .textures import KINDS, PALETTE, jitter, pattern, variant


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
    """Brightness over one object, 256 = unchanged: a slope of its own and a faintly darker rim."""
    h, w = cover.shape
    angle, slope = int(rng.integers(0, 360)), int(rng.integers(0, 70))
    x = np.arange(w, dtype=np.int32)[None] - w // 2
    y = np.arange(h, dtype=np.int32)[:, None] - h // 2
    ramp = (x * int(COS[angle]) + y * int(SIN[angle])) // FIXED * slope // size
    reach = 2 * max(1, size // 14) + 1
    border = reach // 2 + 1
    padded = cv2.copyMakeBorder(cover, border, border, border, border, cv2.BORDER_CONSTANT)
    inner = cv2.blur(padded, (reach, reach))[border:-border, border:-border].astype(np.int32)
    return 256 + ramp - (255 - inner) * int(rng.integers(15, 55)) // 255


class _Style(NamedTuple):
    """What the objects of one name share in a scene: two colours and a favourite pattern."""

    base: np.ndarray
    mark: np.ndarray
    kind: int


def _style(rng: np.random.Generator, name: str) -> _Style:
    colour = name.split()[0]
    base = jitter(rng, np.array(PALETTE[colour]), 14)
    return _Style(base, variant(rng, base, colour == "white"), int(rng.integers(0, KINDS)))


def _paint(rng: np.random.Generator, item: Placed, style: _Style, bare: bool = False) -> np.ndarray:
    """Picture of one object, uint8 [3, h, w], meant to be blended in by its coverage.

    Neighbours of one name share their colours, most also the kind of pattern: what tells them
    apart is the pattern's phase and direction, the light on them, and their outline.
    """
    h, w = item.coverage.shape
    kind = style.kind if rng.integers(0, 100) < 65 else int(rng.integers(0, KINDS))
    kind = 0 if bare else kind
    share = pattern(rng, kind, h, w, item.size).astype(np.int32)
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
    single = is_primer(seed) or is_closeup(seed)
    plain_object, plain_ground = (single and seed % 4 < 3, single and seed % 3 < 2)
    if single:
        layout = one_large(rng, *((70, 190) if is_primer(seed) else (170, 250)))
    else:
        layout = arrange(rng, is_pretraining(seed))
    categories = np.array([item.category for item in layout.objects], np.int64)
    styles = {c: _style(rng, CATEGORY_NAMES[c]) for c in dict.fromkeys(categories.tolist())}
    avoid = np.array([style.base for style in styles.values()])
    canvas = plain(rng, avoid) if plain_ground else draw_ground(rng, avoid)
    offset = tuple(rng.integers(-4, 5, 2).tolist())
    depth = int(rng.integers(25, 90))
    for item in layout.objects:
        _cast_shadow(canvas, item, offset, depth)
        window, local = item.window()
        picture = _paint(rng, item, styles[item.category], plain_object)
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
