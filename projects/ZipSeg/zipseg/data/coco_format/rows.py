"""Annotations and results as columns: regular ones batch by batch, others one by one."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np

from . import entries
from .catalogue import refuse_twice
from .masks import MaskBuilder, Masks, packed, packed_rows
from .rules import Tally
from .stream import Batch, EntryList


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
_UNSET = _NO_ID = -(1 << 63)


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


_FIELDS = ("image_id", "category_id", "value", "bbox", "segmentation")


class _Columns(NamedTuple):
    """Entries that are regular in themselves, whatever images and categories there are."""

    batch: np.ndarray  # int64 [N], the number of each one's batch
    image: np.ndarray
    category: np.ndarray
    ids: np.ndarray  # int64 [N], _NO_ID for none
    crowd: np.ndarray  # int64 [N], _UNSET for none
    value: np.ndarray
    box: np.ndarray


class Builder:
    """Columns from batches, in two steps, as a file's images may come after its annotations.

    ``add`` takes in what is regular in itself while the file is read. ``done`` checks that against
    images and categories; batches that are not regular are read again and mended entry by entry.
    """

    def __init__(self, type_: type[Annotation | Result]) -> None:
        self._type, self._is_result = list[type_], type_ is Result
        more = () if self._is_result else ("id", "iscrowd")  # a list of results has neither
        self._fields = attrgetter(*_FIELDS, *more)
        self._decoder = msgspec.json.Decoder(self._type)
        self._parts: list[_Columns] = []
        self._masks = MaskBuilder()
        self._irregular: set[int] = set()  # numbers of batches
        self._count = 0

    def add(self, found: EntryList) -> None:
        """Takes a list in, but for the batches that are not regular."""
        for batch in found.batches(self._decoder):
            try:
                taken = self._take(self._count, self._typed(batch))
            except struct.error:  # a number beyond 64 bits
                taken = False
            if not taken:
                self._irregular.add(self._count)
            self._count += 1

    def done(
        self,
        known: entries.Known,
        tally: Tally,
        again: Callable[[], Iterable[Batch]],
        where: str = "annotations[{}]",
    ) -> Rows:
        """All columns; the builder is not to be used any more.

        Args:
            known: what entries may refer to.
            again: the same batches once more.
            where: names an entry by its place.

        Raises:
            Unusable: an entry that cannot be mended, or ids that are used twice.
        """
        images = packed("q", known.sizes)
        sizes = packed("q", chain.from_iterable(known.sizes.values())).reshape(-1, 2)
        order = np.argsort(images)
        images, sizes = images[order], sizes[order]
        categories = np.array(sorted(known.categories), np.int64)
        columns = self._joined()
        place, fits = _found(columns.image, images)
        fits &= _found(columns.category, categories)[1]
        if len(images):
            fits &= self._masks.fit(sizes[place])
        self._irregular.update(np.unique(columns.batch[~fits]).tolist())
        order = np.arange(len(fits))
        if self._irregular:
            for number, batch in enumerate(again()):
                if number in self._irregular:
                    self._mend(number, batch, known, tally, where)
            columns = self._joined()
            left_out = np.isin(columns.batch[: len(fits)], list(self._irregular))
            order = np.delete(np.arange(len(columns.batch)), np.flatnonzero(left_out))
            order = order[np.argsort(columns.batch[order], kind="stable")]
            columns = _Columns(*(column[order] for column in columns))
            place, _ = _found(columns.image, images)
        given = np.flatnonzero(columns.ids != _NO_ID)
        refuse_twice("annotations", "id", columns.ids[given], given)
        if not self._is_result:
            tally["missing id"] += len(columns.ids) - len(given)
        tally["iscrowd"] += int((columns.crowd == _UNSET).sum())
        size = sizes[place] if len(images) else sizes
        return Rows(
            *(columns.image, columns.category, columns.box, columns.value, columns.crowd == 1),
            self._masks.done(order, size),
        )

    def _typed(self, batch: Batch) -> list:
        if batch.text is not None:
            return batch.entries
        try:
            return msgspec.convert(batch.entries, self._type)
        except msgspec.ValidationError:
            return []

    def _take(self, number: int, rows: Sequence[Annotation | Result]) -> bool:
        """False, and nothing is taken, if one of the rows is not regular, or there are none."""
        count = len(rows)
        if not count:
            return False
        image, category, value, boxes, masks, *others = zip(*map(self._fields, rows), strict=True)
        image, category = packed("q", image), packed("q", category)
        value = packed("d", value)
        ids, crowd = (packed("q", x) for x in others) if others else _no_ids_or_crowds(count)
        if not all(boxes):
            boxes = (box or _UNKNOWN for box in boxes)
        box = packed_rows("d", boxes, 4).reshape(-1, 4)
        unknown = np.isnan(box[:, 0])
        regular = (
            np.isfinite(value).all()
            and (self._is_result or (value >= 0).all())
            and ((crowd == 0) | (crowd == 1) | (crowd == _UNSET)).all()
            and (np.isfinite(box).all(1) | unknown).all()
            and not (box[:, 2:] < 0).any()
            and all(masks[i] for i in np.flatnonzero(unknown))
        )
        if not regular or not self._masks.add(masks):
            return False
        batch = np.full(count, number)
        self._parts.append(_Columns(batch, image, category, ids, crowd, value, box))
        return True

    def _mend(
        self, number: int, batch: Batch, known: entries.Known, tally: Tally, where: str
    ) -> None:
        mend = entries.result if self._is_result else entries.annotation
        mended = [
            mend(where.format(place), entry, known, tally)
            for place, entry in enumerate(batch.plain(), batch.first)
        ]
        if mended and not self._take(number, msgspec.convert(mended, self._type)):
            raise AssertionError(f"{where.format(batch.first)} and on: mended, and not regular")

    def _joined(self) -> _Columns:
        whole, numbers = np.zeros(0, np.int64), np.zeros(0)
        empty = _Columns(whole, whole, whole, whole, whole, numbers, numbers.reshape(0, 4))
        parts = zip(empty, *self._parts, strict=True)
        self._parts = [_Columns(*(np.concatenate(part) for part in parts))]
        return self._parts[0]


def _no_ids_or_crowds(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(count, _NO_ID), np.zeros(count, np.int64)


def _found(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 [N], where values are or would be among ``known``, ascending; bool [N], whether they
    are."""
    if not len(known):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    place = np.searchsorted(known, values).clip(max=len(known) - 1)
    return place, known[place] == values
