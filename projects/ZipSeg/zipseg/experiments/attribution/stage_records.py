"""What Zip's stages made of one image, as plain arrays in one file an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...utils.errors import ZipSegError
from ...utils.files import load_npz, write_npz

_PACKED = ("active", "mask", "final_mask")


class StageRecord(NamedTuple):
    """What P names, N objects and M instances are on the grid [h, w] and in the image [H, W].

    Attributes:
        image_id: the annotation file's id.
        present: str [P], the names judged present.
        active: bool [P, h, w], activated cells.
        needed: the share of an object that has to be activated for discovery to find it, 0..1.
        pieces: int32 [Q, h, w], the pieces that objects are put together from, -1 for none; Q is 1
            for all names together or P for each on its own.
        object_name: int64 [N], places in ``present``.
        object_box: float32 [N, 4], XYXY in pixels of the image.
        mask: bool [N, H, W], the masks before scoring.
        final_name: str [M]. final_mask: bool [M, H, W]. The instances that are handed out.
    """

    image_id: int
    present: np.ndarray
    active: np.ndarray
    needed: float
    pieces: np.ndarray
    object_name: np.ndarray
    object_box: np.ndarray
    mask: np.ndarray
    final_name: np.ndarray
    final_mask: np.ndarray


def save_record(folder: str | Path, record: StageRecord) -> Path:
    """Write ``<folder>/<image_id>.npz`` all at once; returns its path."""
    columns = record._asdict()
    for key in _PACKED:
        columns[f"{key}_shape"] = np.array(columns[key].shape)
        columns[key] = np.packbits(columns[key])
    path = Path(folder) / f"{record.image_id}.npz"
    write_npz(path, columns)
    return path


def load_record(path: str | Path) -> StageRecord:
    """Read what ``save_record`` wrote.

    Raises:
        ZipSegError: naming ``path``, if it is damaged or of another kind.
    """
    columns = load_npz(path)
    try:
        for key in _PACKED:
            shape = columns.pop(f"{key}_shape")
            bits = np.unpackbits(columns[key], count=int(shape.prod()))
            columns[key] = bits.reshape(shape).astype(bool)
        scalars = {"image_id": int(columns["image_id"]), "needed": float(columns["needed"])}
        return StageRecord(**columns | scalars)
    except (ValueError, KeyError, TypeError) as error:
        raise ZipSegError(f"{path} is not a stage record: {error}") from error


def load_records(folder: str | Path) -> Iterator[StageRecord]:
    """All records of a folder, in the order of the image ids.

    Raises:
        ZipSegError: naming ``folder``, if it holds none.
    """
    paths = [path for path in Path(folder).glob("*.npz") if path.stem.isdecimal()]
    if not paths:
        raise ZipSegError(f"{folder} holds no stage records")
    yield from map(load_record, sorted(paths, key=lambda path: int(path.stem)))
