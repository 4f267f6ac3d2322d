"""Colours and inner patterns of objects, in integers."""

import cv2
import numpy as np

from .shapes import COS, FIXED, SIN

PALETTE = {
    "red": (208, 38, 38),
    "yellow": (236, 200, 40),
    "green": (46, 158, 62),
    "blue": (42, 88, 210),
    "purple": (146, 52, 168),
    "white": (236, 236, 232),
}
_PERIODS = (10, 17)  # pixels; of any object: a material looks the same whatever it covers


def jitter(rng: np.random.Generator, colour: np.ndarray, amount: int) -> np.ndarray:
    """A colour near ``colour`` (int64 [3], 0..255): each channel moves by at most ``amount``."""
    return np.clip(colour + rng.integers(-amount, amount + 1, 3), 0, 255)


def variant(rng: np.random.Generator, colour: np.ndarray, is_white: bool) -> np.ndarray:
    """A strongly darker or lighter colour of the same name, or black or white for marks."""
    kind = rng.integers(0, 100)
    percent = int(rng.integers(28, 56))
    if is_white or kind < 50:
        return colour * (percent + 10 * is_white) // 100
    if kind < 85:
        return colour + (255 - colour) * (percent + 12) // 100
    return np.full(3, 20 if kind < 82 else 245)


def blotches(rng: np.random.Generator, height: int, width: int, cell: int) -> np.ndarray:
    """Smooth random field, uint8 [height, width], with features of about ``cell`` pixels."""
    grid = rng.integers(0, 256, (height // cell + 3, width // cell + 3), np.uint8)
    shape = (grid.shape[1] * cell, grid.shape[0] * cell)
    field = cv2.resize(grid, shape, interpolation=cv2.INTER_LINEAR_EXACT)
    return field[cell : cell + height, cell : cell + width]


def sharpen(field: np.ndarray, threshold: int, gain: int) -> np.ndarray:
    """Soft threshold of a uint8 field: uint8, 0 below, 255 above, a ramp between."""
    return np.clip((field.astype(np.int32) - threshold) * gain + 128, 0, 255).astype(np.uint8)


def _wave(rng: np.random.Generator, position: np.ndarray, period: int) -> np.ndarray:
    """Distance in 1/4096 px to the nearest crest of a wave along ``position`` (int32, same)."""
    span = period * FIXED
    return np.abs((position + int(rng.integers(0, span))) % span - span // 2)


def _bars(distance: np.ndarray, period: int, duty: int) -> np.ndarray:
    """Bars of ``duty`` percent of the period with an edge ramp of one pixel, uint8."""
    return np.clip((period * FIXED * duty // 200 - distance) // 16 + 128, 0, 255).astype(np.uint8)


def pattern(rng: np.random.Generator, material: str, height: int, width: int) -> np.ndarray:
    """Inner pattern of one object, with a scale, phase and direction of its own.

    Args:
        rng: the scene's generator.
        material: one of ``MATERIALS``.
        height, width: of the object in pixels.

    Returns:
        uint8 [height, width], the share (of 255) of the variant colour over the base colour.
    """
    period = int(rng.integers(*_PERIODS))
    duty = int(rng.integers(38, 53))
    angle = int(rng.integers(0, 360))
    if material == "plain":
        return np.zeros((height, width), np.uint8)
    if material == "marbled":
        return sharpen(blotches(rng, height, width, period * 3 // 4), 145, 6)
    x = np.arange(width, dtype=np.int32)[None]
    y = np.arange(height, dtype=np.int32)[:, None]
    cos, sin = int(COS[angle]), int(SIN[angle])
    along, across = x * cos + y * sin, y * cos - x * sin
    if material == "striped":
        return _bars(_wave(rng, along, period), period, duty)
    if material == "checked":
        a, b = (_bars(_wave(rng, p, period), period, 50).astype(np.int32) for p in (along, across))
        return ((a * b + (255 - a) * (255 - b)) // 255).astype(np.uint8)
    if material == "dotted":
        a, b = (_wave(rng, p, period) >> 6 for p in (along, across))
        radius = period * 64 * (duty // 2 + 12) // 100
        return np.clip((radius * radius - a * a - b * b) // radius * 2 + 128, 0, 255).astype(
            np.uint8
        )
    return _bars(_wave(rng, along + _wave(rng, across, 2 * period), period), period, duty)
