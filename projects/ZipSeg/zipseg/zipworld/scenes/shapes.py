"""Outlines of ZipWorld's objects, in fixed point so that every machine draws the same."""

import cv2
import numpy as np

FIXED = 4096  # one unit of the fixed-point outlines and of the cosine table
_SUPERSAMPLING = 4
_SUBPIXEL_BITS = 4

_DEGREES = np.arange(360) * (np.pi / 180)
COS = np.rint(np.cos(_DEGREES) * FIXED).astype(np.int64)
SIN = np.rint(np.sin(_DEGREES) * FIXED).astype(np.int64)


def _polar(degrees: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return np.stack([COS[degrees % 360] * radii, SIN[degrees % 360] * radii], 1) // 100


def _heart() -> np.ndarray:
    # x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, scaled into the unit circle.
    t = np.arange(0, 360, 6)
    x = 16 * SIN[t] * SIN[t] // FIXED * SIN[t] // FIXED
    y = 2 * FIXED + 13 * COS[t] - 5 * COS[2 * t % 360] - 2 * COS[3 * t % 360] - COS[4 * t % 360]
    return np.stack([x, -y], 1) // 17


_CROSS = ((-2, -5), (2, -5), (2, -2), (5, -2), (5, 2), (2, 2), (2, 5), (-2, 5), (-2, 2), (-5, 2),
          (-5, -2), (-2, -2))  # fmt: skip

_FIXED_OUTLINES = {
    "circle": _polar(np.arange(0, 360, 6), np.full(60, 88)),
    "square": _polar(np.arange(45, 360, 90), np.full(4, 108)),
    "triangle": _polar(np.arange(30, 360, 120), np.full(3, 115)),
    "star": _polar(np.arange(18, 378, 36), np.tile([50, 112], 5)),
    "heart": _heart(),
    "cross": np.array(_CROSS, np.int64) * FIXED * 95 // 500,
}

BRICK = _FIXED_OUTLINES["square"]
# Rounded forms come most often: notches would tell where objects meet.
_KINDS = (
    "circle",
    "square",
    "blob",
    "blob",
    "circle",
    "square",
    "triangle",
    "star",
    "heart",
    "cross",
)


def draw_outline(rng: np.random.Generator) -> np.ndarray:
    """The outline of an object, int64 [K, 2] in 1/4096 of the radius: one of the known forms, or a
    smooth irregular one."""
    kind = _KINDS[int(rng.integers(0, len(_KINDS)))]
    if kind in _FIXED_OUTLINES:
        return _FIXED_OUTLINES[kind]
    degrees = np.arange(0, 360, 6)
    radii = np.full(len(degrees), 90 * FIXED, np.int64)
    for waves in (2, 3, 5):
        phase, height = int(rng.integers(0, 360)), int(rng.integers(0, 24 // waves + 1))
        radii += height * COS[(waves * degrees + phase) % 360]
    return _polar(degrees, radii // FIXED)


def coverage(outline: np.ndarray, size: int, angle: int, aspect: int) -> np.ndarray:
    """Anti-aliased picture of an outline about its own centre.

    Args:
        outline: int64 [K, 2] in 1/4096 of the radius.
        size: diameter in pixels of the circle that the outline roughly fills.
        angle: rotation in whole degrees.
        aspect: height in percent of the width, before the rotation.

    Returns:
        uint8 [h, w], 255 inside and 0 outside, cropped to the pixels that are touched.
    """
    outline = outline * (100, aspect) // 100
    cos, sin = COS[angle % 360], SIN[angle % 360]
    turned = np.stack(
        [outline[:, 0] * cos - outline[:, 1] * sin, outline[:, 0] * sin + outline[:, 1] * cos], 1
    )
    half = size * 5 // 8 + 2  # no outline reaches beyond 1.2 radii
    scale = _SUPERSAMPLING << _SUBPIXEL_BITS
    points = turned * (size * scale // 2) // FIXED**2 + half * scale
    canvas = np.zeros((2 * half * _SUPERSAMPLING,) * 2, np.uint8)
    cv2.fillPoly(canvas, [points.astype(np.int32)], 255, cv2.LINE_8, _SUBPIXEL_BITS)
    small = cv2.resize(canvas, (2 * half, 2 * half), interpolation=cv2.INTER_AREA)
    x, y, w, h = cv2.boundingRect(small)
    return small[y : y + h, x : x + w]
