"""Millions of masks in a few arrays; each becomes compressed RLE when it is asked for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain, pairwise, starmap
from operator import attrgetter
from struct import Struct, pack

import numpy as np
from pycocotools import mask as mask_util

from . import runs
from .segmentation import compressed
from .values import LONGEST


@dataclass(frozen=True, eq=False)
class Masks(Sequence):
    """N masks as polygons or RLE; some may be missing.

    Attributes:
        size: int64 [N, 2], height and width in pixels.
        points: float64 [P], x, y, x, y, ... of all parts of polygons.
        parts: int64 [Q + 1], where each part begins in ``points``.
        part: int64 [N, 2], the first part of each mask and one past its last.
        text: uint8 [C], characters of all RLEs' counts.
        chars: int64 [N, 2], the first character of each mask and one past its last.
    """

    size: np.ndarray
    points: np.ndarray
    parts: np.ndarray
    part: np.ndarray
    text: np.ndarray
    chars: np.ndarray

    def __len__(self) -> int:
        return len(self.size)

    def __getitem__(self, index: int) -> dict | None:
        """Compressed RLE, as pycocotools takes it; None for a missing mask."""
        size = tuple(self.size[index].tolist())
        begin, end = self.chars[index]
        if end > begin:
            return {"size": list(size), "counts": self.text[begin:end].tobytes().decode()}
        polygons = self.polygons(index)
        return compressed(polygons, size) if polygons else None

    def polygons(self, index: int) -> list[list[float]]:
        """A mask's polygons in pixels; none if it is RLE or missing."""
        first, last = self.part[index]
        ends = self.parts[first : last + 1]
        return [self.points[a:b].tolist() for a, b in pairwise(ends)]

    @property
    def present(self) -> np.ndarray:
        """bool [N], whether there is a mask."""
        return (self.part[:, 1] > self.part[:, 0]) | (self.chars[:, 1] > self.chars[:, 0])

    def select(self, rows: np.ndarray) -> Masks:
        """The masks at ``rows``, int64 or bool; the arrays of points and text are shared."""
        return replace(self, size=self.size[rows], part=self.part[rows], chars=self.chars[rows])

    def filled(self, box: np.ndarray) -> Masks:
        """The same with boxes, float64 [N, 4] XYWH, in place of missing masks."""
        rows = np.flatnonzero(~self.present)
        if not len(rows):
            return self
        x, y, w, h = box[rows].T
        corners = np.stack([x, y, x, y + h, x + w, y + h, x + w, y], axis=1)
        part = self.part.copy()
        part[rows] = len(self.parts) - 1 + np.arange(len(rows))[:, None] + (0, 1)
        parts = self.parts[-1] + 8 * np.arange(1, len(rows) + 1)
        return replace(
            self,
            points=np.concatenate([self.points, corners.ravel()]),
            parts=np.concatenate([self.parts, parts]),
            part=part,
        )

    @cached_property
    def decoded(self) -> runs.Decoded:
        """Areas and boxes of RLE, and which are damaged; [R] for the R rows of ``rle_rows``."""
        return runs.decode(self.text, self.chars[self.rle_rows], self.size[self.rle_rows])

    @property
    def rle_rows(self) -> np.ndarray:
        """int64 [R], where there is RLE."""
        return np.flatnonzero(self.chars[:, 1] > self.chars[:, 0])

    def damaged(self) -> np.ndarray:
        """int64 [*], where RLE is not of exactly its image's pixels."""
        return self.rle_rows[self.decoded.damaged]

    def boxes(self) -> np.ndarray:
        """float64 [N, 4], XYWH in pixels: polygons' extents, RLEs' pixels; NaN where missing."""
        result = np.full((len(self), 4), np.nan)
        rows = np.flatnonzero(self.part[:, 1] > self.part[:, 0])
        spans = self.parts[self.part[rows]]
        inner = spans[:, 1] < len(self.points)  # reduceat knows no place past the end
        for row, (first, last) in zip(rows[~inner], spans[~inner], strict=True):
            points = self.points[first:last].reshape(-1, 2)
            low = points.min(0)
            result[row] = *low, *(points.max(0) - low)
        rows, spans = rows[inner], spans[inner].ravel() // 2
        for axis in (0, 1) if len(rows) else ():
            values = self.points[axis::2]
            low, high = (f.reduceat(values, spans)[::2] for f in (np.minimum, np.maximum))
            result[rows, axis], result[rows, axis + 2] = low, high - low
        result[self.rle_rows] = self.decoded.box
        return result

    def areas(self) -> np.ndarray:
        """float64 [N], pixels; 0 for a missing mask."""
        result = np.zeros(len(self))
        for row in np.flatnonzero(self.part[:, 1] > self.part[:, 0]).tolist():
            result[row] = float(mask_util.area(self[row]))
        result[self.rle_rows] = self.decoded.area
        return result


_ANY_SIZE = -(1 << 63)
_SIZE, _COUNTS = attrgetter("size"), attrgetter("counts")


class MaskBuilder:
    """Collects the masks of regular entries, batch by batch."""

    def __init__(self) -> None:
        self._points, self._parts, self._part = array("d"), array("q", [0]), array("q")
        self._text, self._chars, self._size = bytearray(), array("q"), array("q")

    def add(self, masks: Sequence) -> bool:
        """Takes the masks of a batch in, or none of them: False if one is not regular.

        Args:
            masks: of polygons (lists of numbers), RLE with ``size`` and ``counts`` as attributes,
                or None.

        Whether RLE is of its image's size is left to ``fit``, whether it covers the image exactly
        to ``Masks.damaged``.
        """
        kinds = set(map(type, masks))
        polygons = [mask if type(mask) is list else () for mask in masks] if list in kinds else ()
        parts = list(chain.from_iterable(polygons))
        lengths = packed("q", map(len, parts))
        if len(parts) and (lengths.min() < 6 or (lengths & 1).any()):
            return False
        points = packed_rows("d", parts)
        if len(points) and not -LONGEST <= points.min() <= points.max() <= LONGEST:
            return False
        number, where = np.zeros(len(masks), np.int64), slice(None)
        rle = masks
        if list in kinds:
            number[:] = packed("q", map(len, polygons))
        if list in kinds or type(None) in kinds:
            where = [
                i for i, mask in enumerate(masks) if mask is not None and type(mask) is not list
            ]
            rle = [masks[i] for i in where]
        counts = list(map(_COUNTS, rle))
        text = "".join(counts).encode()
        used = packed("q", map(len, counts))
        if len(text) != used.sum() or not used.all():  # not ASCII, or empty
            return False
        chars, size = np.zeros(len(masks), np.int64), np.full((len(masks), 2), _ANY_SIZE)
        chars[where] = used
        size[where] = packed_rows("q", map(_SIZE, rle), 2).reshape(-1, 2)
        first = len(self._parts) - 1
        self._part.frombytes(_spans(first, number))
        self._parts.frombytes((self._parts[-1] + np.cumsum(lengths)).tobytes())
        self._points.frombytes(points.view(np.uint8))
        self._chars.frombytes(_spans(len(self._text), chars))
        self._text += text
        self._size.frombytes(size.tobytes())
        return True

    def fit(self, size: np.ndarray) -> np.ndarray:
        """bool [N], whether the masks so far may be of their images, whose sizes are [N, 2]."""
        stated = np.frombuffer(self._size, np.int64).reshape(-1, 2)
        return ((stated == size) | (stated == _ANY_SIZE)).all(1)

    def done(self, rows: np.ndarray, size: np.ndarray) -> Masks:
        """The masks at ``rows``, int64 [N], for images of ``size`` [N, 2]; the builder is not to be
        used any more."""
        part, chars = (
            np.frombuffer(column, np.int64).reshape(-1, 2)[rows]
            for column in (self._part, self._chars)
        )
        points, parts = np.frombuffer(self._points), np.frombuffer(self._parts, np.int64)
        return Masks(size, points, parts, part, np.frombuffer(self._text, np.uint8), chars)


def packed(code: str, values: Iterable) -> np.ndarray:
    """Python's numbers as int64 ("q") or float64 ("d") in a third of the time that numpy takes.

    Raises:
        struct.error: one is beyond 64 bits.
    """
    values = tuple(values)
    return np.frombuffer(pack(f"{len(values)}{code}", *values), code)


def packed_rows(code: str, rows: Iterable[Sequence], count: int = 0) -> np.ndarray:
    """The same of rows, one after the other, of any lengths or of ``count`` numbers each; long ones
    cost a tenth of the time of one row that holds all."""
    if count:
        return np.frombuffer(b"".join(starmap(_packer(code, count), rows)), code)
    return np.frombuffer(b"".join([_packer(code, len(row))(*row) for row in rows]), code)


@lru_cache(1024)
def _packer(code: str, count: int) -> Callable[..., bytes]:
    return Struct(f"{count}{code}").pack


def _spans(first: int, number: np.ndarray) -> bytes:
    """Where N neighbouring spans of so many items begin and end, the first of them at ``first``."""
    ends = first + np.cumsum(number)
    return np.stack([ends - number, ends], axis=1).tobytes()
