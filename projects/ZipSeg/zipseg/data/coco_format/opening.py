"""A file from its start, as often as needed, and what its errors are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from ...utils.errors import ZipSegError
from ...utils.files import load_json
from .stream import Batch, Malformed, Section, in_memory, sections
from .values import Unusable

_Read = TypeVar("_Read")
Opened = Callable[[], Iterator[Section]]  # a file's members, from the start


class FormatError(ZipSegError):
    """A file that is not in COCO's format; the message names it, the entry and the field."""


class NoAnnotations(FormatError):
    """Images and categories, but no list of annotations: a test set."""


class NoList(Unusable):
    """``NoAnnotations`` before it has the file's name."""


def read_file(path: str | Path, read: Callable[[Opened], _Read]) -> _Read:
    """What ``read`` makes of a file's members, which it may ask for any number of times.

    Raises:
        FormatError: the file cannot be used.
        ZipSegError: it cannot be read at all.
    """
    try:
        return named(path, read, lambda: sections(path))
    except Malformed:
        content = load_json(path)
        return named(path, read, lambda: in_memory(content))


def named(source: object, read: Callable[[Opened], _Read], opened: Opened) -> _Read:
    """What ``read`` makes of the members; errors get the source's name."""
    try:
        return read(opened)
    except Unusable as error:
        kind = NoAnnotations if isinstance(error, NoList) else FormatError
        raise kind(f"{source}: {error}") from error


def listed(
    members: Iterable[Section], key: str | None, decoder: msgspec.json.Decoder | None = None
) -> Iterator[Batch]:
    """The batches of one list of a file; None for the list that is the whole file."""
    for section in members:
        if section.key == key and section.list is not None:
            yield from section.list.batches(decoder)
