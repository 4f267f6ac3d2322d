"""Ground and light of a scene: cluttered, uneven, and free of objects."""

import cv2
import numpy as np

from .shapes import COS, FIXED, SIN
from .textures import PALETTE, blotches, jitter, sharpen

SIDE = 256
_COLOURS = np.array(list(PALETTE.values()), np.int64)


def blend(canvas: np.ndarray, colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``canvas`` (uint8 [3, h, w]) under ``colour`` (same or [3]) by ``share`` ([h, w], 0..255)."""
    weight = share.astype(np.uint16) + (share >> 7)  # 0..256: >> 8 is then exact
    colour = colour.astype(np.uint16).reshape(3, *colour.shape[1:] or (1, 1))
    return ((canvas * (256 - weight) + colour * weight) >> 8).astype(np.uint8)


def _base(rng: np.random.Generator, avoid: np.ndarray) -> np.ndarray:
    """A dull colour that no object of the scene has."""
    for _ in range(12):
        raw = rng.integers(40, 215, 3)
        grey = raw.sum() // 3
        base = grey + (raw - grey) * int(rng.integers(20, 75)) // 100
        if np.abs(avoid - base).sum(1).min() >= 130:
            break
    return base


def _stripes(rng: np.random.Generator) -> np.ndarray:
    """Planks or furrows over the whole ground, uint8 [SIDE, SIDE]."""
    angle, period = int(rng.integers(0, 360)), int(rng.integers(5, 40))
    x = np.arange(SIDE, dtype=np.int32)
    position = x[None] * int(COS[angle]) + x[:, None] * int(SIN[angle])
    gap = int(rng.integers(1, period))
    inside = (position % (period * FIXED)) >> 4
    return np.clip((inside - gap * 256) // 2, 0, 255).astype(np.uint8)


def draw_ground(rng: np.random.Generator, avoid: np.ndarray) -> np.ndarray:
    """Uneven ground with textures, coloured blotches and lines that are no objects.

    Args:
        rng: the scene's generator.
        avoid: int64 [C, 3] colours of the scene's objects, from which the ground keeps away.

    Returns:
        uint8 [3, SIDE, SIDE] RGB.
    """
    base, other = _base(rng, avoid), _base(rng, avoid)
    canvas = np.empty((3, SIDE, SIDE), np.uint8)
    canvas[:] = base[:, None, None]
    canvas = blend(canvas, other, blotches(rng, SIDE, SIDE, int(rng.integers(24, 80))) >> 1)
    if rng.integers(0, 100) < 55:
        tone = np.clip(base + int(rng.integers(-70, 71)), 0, 255)
        canvas = blend(canvas, tone, _stripes(rng) // 2)
    for _ in range(int(rng.integers(0, 4))):
        field = blotches(rng, SIDE, SIDE, int(rng.integers(8, 40)))
        share = sharpen(field, int(rng.integers(170, 225)), int(rng.integers(3, 12)))
        colour = jitter(rng, _COLOURS[rng.integers(0, len(_COLOURS))], 40)
        canvas = blend(canvas, colour, (share.astype(np.uint16) * rng.integers(60, 170) >> 8))
    for _ in range(int(rng.integers(0, 6))):
        colour = jitter(rng, _COLOURS[rng.integers(0, len(_COLOURS))] * 7 // 10, 50)
        points = np.cumsum(rng.integers(-60, 61, (6, 2)), 0) + rng.integers(0, SIDE, 2)
        line = np.zeros((SIDE, SIDE), np.uint8)
        width = int(rng.integers(1, 4))
        cv2.polylines(line, [points.astype(np.int32)], False, 255, width, cv2.LINE_AA)
        canvas = blend(canvas, colour, line)
    return canvas


def light(rng: np.random.Generator) -> np.ndarray:
    """Uneven light with up to two cast shadows that cross ground and objects alike.

    Returns:
        int32 [SIDE, SIDE], brightness where 256 leaves a colour as it is.
    """
    field = 200 + (blotches(rng, SIDE, SIDE, 128).astype(np.int32) * 5 >> 4)
    for _ in range(int(rng.integers(0, 3))):
        corners = rng.integers(-60, SIDE + 60, (int(rng.integers(3, 6)), 2)).astype(np.int32)
        shadow = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(shadow, [cv2.convexHull(corners)], int(rng.integers(50, 110)))
        width = 2 * int(rng.integers(1, 6)) + 1
        shadow = cv2.blur(cv2.blur(shadow, (width, width)), (width, width))
        field = field * (256 - shadow.astype(np.int32)) >> 8
    return field
