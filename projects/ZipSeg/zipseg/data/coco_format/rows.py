"""Annotations and results as columns: regular ones batch by batch, others one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np

from . import entries
from .catalogue import refuse_twice
from .masks import MaskBuilder, Masks
from .rules import Tally
from .stream import Batch

Mend = Callable[[str, object, entries.Known, Tally], dict]


class Rows(NamedTuple):
    """Annotations or results as columns, in the order of the file."""

    image: np.ndarray  # int64 [N]
    category: np.ndarray  # int64 [N]
    box: np.ndarray  # float64 [N, 4], XYWH; NaN where a result has only a mask
    value: np.ndarray  # float64 [N], area or score
    crowd: np.ndarray  # bool [N]
    masks: Masks


class _Rle(msgspec.Struct, gc=False):
    size: tuple[int, int]
    counts: str


_Box = tuple[float, float, float, float]


_UNKNOWN = (np.nan,) * 4
_UNSET, _NO_ID = -1, -(1 << 63)


class Annotation(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    bbox: _Box
    value: float = msgspec.field(name="area")
    id: int = _NO_ID
    iscrowd: int = _UNSET
    segmentation: list[list[float]] | _Rle | None = None


class Result(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    value: float = msgspec.field(name="score")
    bbox: _Box | None = None
    segmentation: _Rle | None = None
    id: ClassVar[int] = _NO_ID  # a list of results needs none
    iscrowd: ClassVar[int] = 0


class Builder:
    """Columns from batches: regular ones at once, others through ``mend`` entry by entry."""

    def __init__(self, known: entries.Known, tally: Tally, mend: Mend, type_: type) -> None:
        self._known, self._tally, self._mend, self._type = known, tally, mend, list[type_]
        self.decoder = msgspec.json.Decoder(self._type)
        self._image_ids = np.array(sorted(known.sizes), np.int64)
        sizes = [known.sizes[i] for i in self._image_ids.tolist()]
        self._sizes = np.array(sizes, np.int64).reshape(-1, 2)
        self._category_ids = np.array(sorted(known.categories), np.int64)
        self._columns: list[tuple[np.ndarray, ...]] = []
        self._masks = MaskBuilder()

    def add(self, batch: Batch, where: str) -> None:
        """Takes a batch in; ``where`` names an entry by its place. Raises Unusable."""
        try:
            if self._take(self._typed(batch)):
                return
        except OverflowError:  # a number beyond 64 bits
            pass
        mended = [
            self._mend(where.format(place), entry, self._known, self._tally)
            for place, entry in enumerate(batch.plain(), batch.first)
        ]
        if mended and not self._take(msgspec.convert(mended, self._type)):
            raise AssertionError(f"{where.format(batch.first)} and on: mended, and not regular")

    def _typed(self, batch: Batch) -> list:
        if batch.text is not None:
            return batch.entries
        try:
            return msgspec.convert(batch.entries, self._type)
        except msgspec.ValidationError:
            return []

    def _take(self, rows: Sequence[Annotation | Result]) -> bool:
        """False, and nothing is taken, if one of the rows is not regular, or there are none."""
        count = len(rows)
        if not count:
            return False
        image = np.fromiter((row.image_id for row in rows), np.int64, count)
        category = np.fromiter((row.category_id for row in rows), np.int64, count)
        value = np.fromiter((row.value for row in rows), np.float64, count)
        crowd = np.fromiter((row.iscrowd for row in rows), np.int64, count)
        ids = np.fromiter((row.id for row in rows), np.int64, count)
        boxes = chain.from_iterable(row.bbox or _UNKNOWN for row in rows)
        box = np.fromiter(boxes, np.float64, 4 * count).reshape(-1, 4)
        masks = [row.segmentation for row in rows]
        place = np.searchsorted(self._image_ids, image)
        unknown = np.isnan(box[:, 0])
        regular = (
            _among(image, self._image_ids)
            and _among(category, self._category_ids)
            and np.isfinite(value).all()
            and (self._mend is entries.result or (value >= 0).all())
            and ((crowd >= _UNSET) & (crowd <= 1)).all()
            and (np.isfinite(box).all(1) | unknown).all()
            and not (box[:, 2:] < 0).any()
            and all(masks[i] for i in np.flatnonzero(unknown))
        )
        if not regular or not self._masks.add(masks, self._sizes[place]):
            return False
        self._tally["iscrowd"] += int((crowd == _UNSET).sum())
        self._columns.append((image, category, box, value, crowd == 1, ids))
        return True

    def done(self) -> Rows:
        """All columns; raises Unusable for ids that are used twice."""
        empty = np.zeros((0, 4))
        columns = self._columns or [(*[empty[:, 0].astype(int)] * 2, empty, *[empty[:, 0]] * 3)]
        *columns, ids = (np.concatenate(column) for column in zip(*columns, strict=True))
        given = np.flatnonzero(ids != _NO_ID)
        refuse_twice("annotations", "id", ids[given], given)
        if self._mend is entries.annotation:
            self._tally["missing id"] += len(ids) - len(given)
        columns[4] = columns[4].astype(bool)
        return Rows(*columns, self._masks.done())


def _among(values: np.ndarray, known: np.ndarray) -> bool:
    """Whether all values [N] are among ``known``, ascending."""
    if not len(known):
        return not len(values)
    place = np.searchsorted(known, values).clip(max=len(known) - 1)
    return bool((known[place] == values).all())
