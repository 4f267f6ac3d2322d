"""Append-only result files: one checksummed line of JSON for each image.

A line is the CRC-32 of its JSON (8 hex digits), a space, the JSON, a newline. A line that a crash
tore, or that was damaged later, fails its checksum; it is passed over and its image labelled again.
Every process writes a shard of its own and never touches another's.
"""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..utils.errors import CannotWrite


def encode(record: dict) -> bytes:
    """One line of a shard. Deterministic; raises ValueError for NaN and infinity."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> dict | None:
    """The record of a line, or None for anything that ``encode`` did not write in full."""
    checksum, text = line[:8], line[9:-1]
    if line[8:9] != b" " or line[-1:] != b"\n" or b"%08x" % zlib.crc32(text) != checksum:
        return None
    try:
        # The run's own record, checked below; not a COCO file.
        record = json.loads(text)
    except ValueError:
        return None
    return record if _is_result(record) else None


def _is_result(record: object) -> bool:
    if not isinstance(record, dict) or type(record.get("index")) is not int:
        return False
    image, annotations = record.get("image"), record.get("annotations")
    if type(record.get("time")) not in (int, float) or not _has_ids(image, "id"):
        return False
    if not isinstance(image.get("file_name"), str):
        return False
    if "failure" in record:
        return isinstance(record["failure"], str)
    return isinstance(annotations, list) and all(_has_ids(a, "category_id") for a in annotations)


def _has_ids(entry: object, key: str) -> bool:
    return isinstance(entry, dict) and type(entry.get(key)) is int


class ShardWriter:
    """Appends records to a new shard in ``folder``, created with its first record."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._size = 0

    def write(self, record: dict) -> None:
        """Hands one record to the operating system: from then on a killed process cannot lose it.

        Raises:
            CannotWrite: the shard keeps the records before this one.
            ValueError: the record holds NaN or infinity; nothing is written.
        """
        line = encode(record)
        try:
            if self._file is None:
                self._file = self._create()
            done = 0
            while done < len(line):
                done += os.write(self._file, line[done:])
        except OSError as error:
            self._drop_torn_line()
            raise CannotWrite(self._folder, error) from error
        self._size += len(line)

    def _create(self) -> int:
        number = len(list(self._folder.glob("*.jsonl")))
        while True:
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
                return os.open(self._folder / f"{number:05d}.jsonl", flags, 0o644)
            except FileExistsError:
                number += 1

    def _drop_torn_line(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # else the line stays torn, which its checksum tells
                os.ftruncate(self._file, self._size)

    def close(self) -> None:
        """Puts everything onto the disk itself."""
        if self._file is not None:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise CannotWrite(self._folder, error) from error
            finally:
                os.close(self._file)
                self._file = None


class ShardIndex(NamedTuple):
    """Where each of N images' results lie."""

    paths: list[Path]  # the shards
    shard: np.ndarray  # int32 [N], position in `paths`, -1 for no result
    offset: np.ndarray  # int64 [N], bytes
    failed: np.ndarray  # bool [N]
    damaged: int  # lines passed over
    size: int  # bytes of all shards

    def states(self) -> bytes:
        """The images' states for ``Work``: "." open, "d" done, "f" failed."""
        states = np.where(self.failed, b"f", b"d")
        return np.where(self.shard < 0, b".", states).astype("S1").tobytes()

    def records(self) -> Iterator[dict]:
        """The results in the order of the images, one in memory at a time."""
        files = [path.open("rb") for path in self.paths]
        try:
            for shard, offset in zip(self.shard, self.offset, strict=True):
                if shard >= 0:
                    files[shard].seek(offset)
                    yield decode(files[shard].readline())
        finally:
            for file in files:
                file.close()


def index_shards(folder: Path, count: int) -> ShardIndex:
    """Reads all shards of a run over ``count`` images.

    An image may have several results, left by a killed process that had not yet marked it or by
    ``--retry-failures``: labels win over failures, then the later shard wins.
    """
    paths = sorted(folder.glob("*.jsonl"))
    shard = np.full(count, -1, np.int32)
    offset = np.zeros(count, np.int64)
    failed = np.zeros(count, bool)
    damaged = size = 0
    for number, path in enumerate(paths):
        position = 0
        with path.open("rb") as file:
            for line in file:
                start, position = position, position + len(line)
                record = decode(line)
                if record is None or not 0 <= record["index"] < count:
                    damaged += 1
                    continue
                index, failure = record["index"], "failure" in record
                if shard[index] < 0 or failed[index] or not failure:
                    shard[index], offset[index], failed[index] = number, start, failure
        size += position
    return ShardIndex(paths, shard, offset, failed, damaged, size)
