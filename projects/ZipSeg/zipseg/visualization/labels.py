"""Labels of boxes: placed where they cover neither each other nor leave the picture, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SIZE = 13  # of the font, pixels, at least; larger in pictures that are shown smaller than they are
_PER_SIZE = 50  # ... a pixel for so many of the picture's mean side
_SMALL = 0.7  # where there is no room at full size; never below ...
_LEAST = 9  # ... pixels, which can just be read
_STEPS = 5  # places along a box's sides

# Red, green and blue, 0..1.
Colour = tuple[float, float, float]


class Label(NamedTuple):
    """A text and its place.

    Attributes:
        text: what is written.
        size: of the font, pixels.
        rectangle: XYXY, whole pixels of the picture.
    """

    text: str
    size: int
    rectangle: tuple[int, int, int, int]


def place_labels(
    texts: Sequence[Sequence[str]], boxes: np.ndarray, width: int, height: int
) -> list[Label | None]:
    """A label for each box that there is room for: above it, below it or inside, touching it.

    Larger boxes choose first, so that the smallest go without where it is crowded.

    Args:
        texts: of each box what it may say, the best first.
        boxes: [N, 4] XYXY, pixels, within the picture.
        width, height: of the picture, pixels.

    Returns:
        N labels, None where none has room. Their rectangles are disjoint and within the picture.
    """
    full = max(_SIZE, round((width * height) ** 0.5 / _PER_SIZE))
    sizes = (full, max(_LEAST, round(_SMALL * full)))
    labels: list[Label | None] = [None] * len(boxes)
    taken = np.zeros((0, 4), int)
    for i in np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), kind="stable"):
        for text, size in product(texts[i], sizes):
            place = _free_place(boxes[i], *_extent(text, size), width, height, taken)
            if place is not None:
                labels[i] = Label(text, size, place)
                taken = np.vstack([taken, place])
                break
    return labels


def draw_labels(
    picture: Image.Image, labels: Sequence[Label | None], colours: Sequence[Colour]
) -> None:
    """Draws onto an RGB picture, each label on its colour, black or white as is easier to read."""
    canvas = ImageDraw.Draw(picture)
    for label, colour in zip(labels, colours, strict=True):
        if label is None:
            continue
        left, top, right, bottom = label.rectangle
        canvas.rectangle(
            (left, top, right - 1, bottom - 1), fill=tuple(round(255 * part) for part in colour)
        )
        luminance = float(np.dot(colour, (0.299, 0.587, 0.114)))
        canvas.text(
            (left + _padding(label.size), top + _padding(label.size) // 2),
            label.text,
            fill="black" if luminance > 0.5 else "white",
            font=_font(label.size),
        )


def _free_place(
    box: np.ndarray, w: int, h: int, width: int, height: int, taken: np.ndarray
) -> tuple[int, int, int, int] | None:
    """The first place for w x h pixels at the box that none has taken."""
    if w > width or h > height:
        return None
    x0, y0, x1, y1 = box.tolist()
    across = np.linspace(x0, x1 - w, _STEPS).round().clip(0, width - w)
    down = np.array([y0 - h, y1, *np.linspace(y0, y1 - h, _STEPS)]).round().clip(0, height - h)
    top, left = (side.ravel().astype(int) for side in np.meshgrid(down, across, indexing="ij"))
    places = np.stack([left, top, left + w, top + h], axis=1)
    apart = (places[:, None, :2] >= taken[:, 2:]) | (places[:, None, 2:] <= taken[:, :2])
    free = apart.any(axis=2).all(axis=1)
    return tuple(places[free.argmax()].tolist()) if free.any() else None


def _extent(text: str, size: int) -> tuple[int, int]:
    """Width and height of a label, pixels."""
    font = _font(size)
    width = np.ceil(font.getbbox(text)[2])
    return int(width) + 2 * _padding(size), sum(font.getmetrics()) + _padding(size)


def _padding(size: int) -> int:
    return max(2, size // 5)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's own, which is wherever it is: names in Latin, Greek and Cyrillic."""
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)
