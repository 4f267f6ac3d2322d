"""JSON files of any size, a few megabytes of them in memory at a time.

COCO-format files are one object whose lists hold millions of small objects. The lists are cut where
one object ends and the next begins: a cut is right exactly when what lies between two cuts parses,
so that msgspec's parser decides and nothing here has to understand strings or nesting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from ...utils.errors import ZipSegError

WINDOW = 1 << 17  # bytes of a list that are decoded together: their values fit a CPU's cache
_BETWEEN = re.compile(rb"\}\s*,\s*\{")
_OBJECT_END = re.compile(rb"\}\s*[,\]]")
_TRIES = 8
_PART = 2048  # entries in memory that are handled together
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}"]', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]+")
_SPACE = re.compile(rb"\s*")
RAW = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder(list)


class Batch(NamedTuple):
    """Neighbouring entries of one list."""

    first: int  # place of the first one in its list
    text: bytes | None  # JSON list of them; None if they are known as plain values only
    entries: list  # of the type that was asked for; empty if some are not of that type

    def plain(self) -> list:
        """The entries as plain values."""
        return self.entries if self.text is None else _strict(self.text)


class EntryList:
    """A list that is read on demand, once."""

    def __init__(self, read: Callable[[msgspec.json.Decoder], Iterator[Batch]]) -> None:
        self._read, self.asked = read, False

    def batches(self, decoder: msgspec.json.Decoder | None = None) -> Iterator[Batch]:
        """All entries, as many together as ``WINDOW`` holds.

        Args:
            decoder: of a list of the type to decode entries to; None for any.
        """
        self.asked = True
        return self._read(decoder or _ANY)


class Section(NamedTuple):
    """One member of the top-level object, or the whole of a file that is no object."""

    key: str | None  # None: the whole file
    value: Any  # None for a list
    list: EntryList | None


class Malformed(Exception):
    """The stream met what strict JSON does not know."""


def sections(path: str | Path) -> Iterator[Section]:
    """The members of a file's object in their order, or the file's list or value itself.

    Batches that are not asked for are passed over.

    Raises:
        Malformed: NaN, half characters, another encoding than UTF-8, or no JSON at all;
            ``load_json`` reads the former and tells the latter.
        ZipSegError: the file cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_file() and path.exists() and not path.is_dir():
            raise Malformed("a pipe can be read once only")
        with path.open("rb") as file:
            yield from _members(_Window(file))
    except OSError as error:
        raise ZipSegError(f"{path}: cannot be read ({error.strerror})") from error


def in_memory(content: Any) -> Iterator[Section]:
    """The same of a file's content as plain values."""
    for key, value in content.items() if isinstance(content, dict) else ((None, content),):
        if isinstance(value, list):
            yield Section(key, None, EntryList(lambda decoder, value=value: _parts(value)))
        else:
            yield Section(key, value, None)


def _parts(values: list) -> Iterator[Batch]:
    for first in range(0, len(values), _PART):
        yield Batch(first, None, values[first : first + _PART])


def _strict(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from error


def _members(window: _Window) -> Iterator[Section]:
    window.skip(b"\xef\xbb\xbf")
    if window.skip(b"{"):
        while not window.skip(b"}"):
            key = window.value()
            if not isinstance(key, str) or not window.skip(b":"):
                raise Malformed("a member without a name")
            yield from _member(window, key)
            window.separator(b"}")
    else:
        yield from _member(window, None)
    if window.peek():
        raise Malformed("more than one value")


def _member(window: _Window, key: str | None) -> Iterator[Section]:
    if window.peek() != b"[":
        yield Section(key, window.value(), None)
        return
    entries = EntryList(lambda decoder: _batches(window, decoder))
    yield Section(key, None, entries)
    if not entries.asked:
        for _ in entries.batches(RAW):
            pass


def _batches(window: _Window, decoder: msgspec.json.Decoder) -> Iterator[Batch]:
    window.skip(b"[")
    first = 0
    while not window.skip(b"]"):
        if window.peek() == b"{":
            text, entries, count = window.objects(decoder)
            if decoder is _ANY and entries:
                text = None
        else:  # nothing that COCO's lists hold
            text, entries, count = None, [window.value()], 1
        yield Batch(first, text, entries)
        first += count
        window.separator(b"]")


class _Window:
    """The part of a file that is in memory, and how far it has been used."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._bytes, self._place = file, b"", 0

    def _grow(self) -> bool:
        """Reads on, as much as is unused at the least; False at the end of the file."""
        rest = self._bytes[self._place :]
        try:
            more = self._file.read(max(WINDOW, len(rest)))
        except OSError as error:
            raise ZipSegError(f"{self._file.name}: cannot be read ({error.strerror})") from error
        self._bytes, self._place = rest + more, 0
        return bool(more)

    def peek(self) -> bytes:
        """The next byte that is no space; empty at the end."""
        while True:
            self._place = _SPACE.match(self._bytes, self._place).end()
            if self._place < len(self._bytes):
                return self._bytes[self._place : self._place + 1]
            if not self._grow():
                return b""

    def skip(self, text: bytes) -> bool:
        """Goes past ``text`` if that comes next."""
        self.peek()
        if self._bytes.startswith(text, self._place):
            self._place += len(text)
            return True
        return False

    def separator(self, end: bytes) -> None:
        """Goes past a comma and stays before ``end``; one of them has to come next."""
        if self.skip(b",") == (self.peek() == end):
            raise Malformed("a comma too many or too few")

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while (end := self._end()) is None:
            if not self._grow():
                end = len(self._bytes)  # a number at the very end, or cut off
                break
        start, self._place = self._place, end
        return _strict(self._bytes[start:end])

    def _end(self) -> int | None:
        """Where the next value ends; None if that is not in the window."""
        depth, place = 0, self._place
        if self._bytes[place : place + 1] not in (b'"', b"[", b"{"):
            found = _SCALAR.match(self._bytes, place)
            end = found.end() if found else place + 1
            return end if end < len(self._bytes) else None
        while token := _TOKEN.search(self._bytes, place):
            text, place = token.group(), token.end()
            if text == b'"':  # a string that goes on outside of the window
                return None
            depth += (text in (b"[", b"{")) - (text in (b"]", b"}"))
            if depth == 0:
                return place
        return None

    def objects(self, decoder: msgspec.json.Decoder) -> tuple[bytes, list, int]:
        """As many of a list's next objects as the window holds: the text of a list of them, what
        the decoder makes of it (nothing if some are of another type), and how many they are."""
        if len(self._bytes) - self._place < WINDOW:
            self._grow()
        while (found := self._cut(decoder)) is None:
            if not self._grow():
                raise Malformed("cut off")
        return found

    def _cut(self, decoder: msgspec.json.Decoder) -> tuple[bytes, list, int] | None:
        """The same of what is in the window; None if no object ends there."""
        for end in _cuts(self._bytes, self._place):
            text = b"[" + self._bytes[self._place : end] + b"]"
            try:
                entries = decoder.decode(text)
                count = len(entries)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                try:  # of another type, or the cut is wrong?
                    entries, count = [], len(RAW.decode(text))
                except msgspec.DecodeError:
                    continue
                except (UnicodeDecodeError, RecursionError) as error:
                    raise Malformed(str(error)) from error
            self._place = end
            return text, entries, count
        return None


def _cuts(text: bytes, start: int) -> Iterator[int]:
    """Ends of objects, where the first entries of a list may end, the most promising ones first:
    the last ones of the text; where the list itself ends before those, by halving; and the very
    first ones, for an object that is alone."""
    tail, reach = 1 << 12, len(text) - start
    while not (found := list(_BETWEEN.finditer(text, max(start, len(text) - tail)))):
        if tail > reach:
            break
        tail <<= 3
    yield from (between.start() + 1 for between in reversed(found[-_TRIES:]))
    while reach > 1:
        reach //= 2
        if between := _BETWEEN.search(text, start + reach):
            yield between.start() + 1
    for _, end in zip(range(64), _OBJECT_END.finditer(text, start), strict=False):
        yield end.start() + 1
