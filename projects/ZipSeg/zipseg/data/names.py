"""Lists of category names."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from ..utils.errors import ZipSegError
from .coco_format.opening import read_file
from .coco_format.stream import Section
from .coco_format.values import is_number

_LONGEST = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUMBERED = re.compile(r"\s*(\d+)\s*[:.,;)\s]\s*\S")


class NamesError(ZipSegError):
    """A list of names that cannot be used; the message starts with where it came from."""


def check_names(names: Sequence[str], source: str) -> tuple[str, ...]:
    """The names without surrounding space.

    Args:
        names: any Unicode.
        source: the file or config key they came from.

    Raises:
        NamesError: no names, an empty name, or the same name twice.
    """
    names = tuple(str(name).strip() for name in names)
    if not names:
        raise NamesError(f"{source}: holds no names; give at least one")
    if "" in names:
        raise NamesError(f"{source}: name {names.index('') + 1} is empty; remove it")
    if odd := next(filter(_CONTROL.search, names), None):
        raise NamesError(f"{source}: name {odd[:40]!r} has characters that are no text")
    if any(len(name) > _LONGEST for name in names):
        raise NamesError(f"{source}: a name has more than {_LONGEST} characters; is it a text?")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise NamesError(
            f"{source}: named more than once: {', '.join(twice[:5])}; keep one of each"
        )
    return names


def read_names(text: str) -> tuple[str, ...]:
    """Names from a file, or, where there is no such file, from the comma-separated text itself.

    A file has one name a line (empty lines and those that start with # are passed over), or it is
    a YOLO ``data.yaml`` (its ``names``), a COCO-format file (its categories by id), a label list of
    FiftyOne (``classes`` or ``default_classes``) or of CVAT (a JSON list of objects with names), or
    a JSON list of names. Text is UTF-8, or UTF-16 with or without a byte order mark.

    Raises:
        NamesError: as for ``check_names``; a file of another kind or encoding; names that differ
            by capitals alone, which CLIP does not see.
    """
    names = _given(text)
    twice = [name for name, count in Counter(map(str.lower, names)).items() if count > 1]
    if twice:
        raise NamesError(
            f"{text}: named more than once, capitals aside: {', '.join(twice[:5])}; keep one of "
            "each"
        )
    return names


def _given(text: str) -> tuple[str, ...]:
    path = Path(text).expanduser()
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # a list too long for a file name
        is_file = False
    if not is_file:
        if path.suffix in (".txt", ".yaml", ".yml", ".json"):
            raise NamesError(f"{text}: no such file")
        return check_names([name for name in text.split(",") if name.strip()], "the list of names")
    content = "{" if path.suffix.lower() == ".json" else _text(path)
    if content.lstrip().startswith(("[", "{")):
        return check_names(_in_json(path), str(path))
    if path.suffix.lower() in (".yaml", ".yml") or re.search(r"^names\s*:", content, re.MULTILINE):
        return check_names(_in_yaml(path, content), str(path))
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) == 1:  # as on the command line
        lines = [name for name in lines[0].split(",") if name.strip()]
    _refuse_tables(lines, path)
    return check_names(lines, str(path))


def _refuse_tables(lines: Sequence[str], path: Path) -> None:
    """Raises NamesError for lines that hold more than a name."""
    if lines and lines[0].lstrip().startswith("<"):
        raise NamesError(f"{path}: is XML or HTML; give a file with a name a line")
    numbers = [int(found[1]) for found in map(_NUMBERED.match, lines) if found]
    in_order = (
        numbers == [numbers[0] + place for place in range(len(numbers))] if numbers else False
    )
    if in_order and len(lines) > 1 and len(numbers) >= len(lines) - 1:  # perhaps with a heading
        raise NamesError(f"{path}: its lines are numbered; leave only a name a line")
    if lines and all(line.strip()[0] == line.strip()[-1] in "\"'" for line in lines):
        raise NamesError(f"{path}: its names are in quotation marks; leave only a name a line")


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        encoding = "utf-8-sig"
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            encoding = "utf-16"
        elif b"\0" in content[:2]:
            encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
        return content.decode(encoding)
    except OSError as error:
        raise NamesError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise NamesError(
            f"{path}: cannot be read as UTF-8 text (line {line}: {error.reason}); save it as "
            "UTF-8, it may be Latin-1 or another old encoding"
        ) from error


def _in_yaml(path: Path, text: str) -> list:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())
        raise NamesError(f"{path}: cannot be read as YAML ({told})") from error
    names = content.get("names") if isinstance(content, dict) else content
    if isinstance(names, dict):
        if not all(type(number) is int for number in names):
            raise NamesError(f"{path}: the keys of 'names' are not all whole numbers")
        names = [names[number] for number in sorted(names)]
    if not isinstance(names, list) or not all(isinstance(n, str | int | float) for n in names):
        raise NamesError(f"{path}: has no list of 'names', such as a YOLO data.yaml has")
    if any(isinstance(name, bool) for name in names):
        raise NamesError(f"{path}: YAML takes yes, no, on and off for true and false; quote them")
    count = content.get("nc") if isinstance(content, dict) else None
    if type(count) is int and count != len(names):
        raise NamesError(f"{path}: nc is {count}, but 'names' has {len(names)}")
    return names


def _in_json(path: Path) -> list[str]:
    try:
        found = read_file(path, lambda opened: _lists(opened()))
    except ZipSegError as error:
        raise NamesError(str(error)) from error
    for key in ("categories", "classes", "default_classes", "names", None):
        names = [entry.get("name") if isinstance(entry, dict) else entry for entry in found[key]]
        if key == "categories":
            entries = [entry for entry in found[key] if isinstance(entry, dict)]
            if all(is_number(entry.get("id")) for entry in entries):
                names = [entry.get("name") for entry in sorted(entries, key=lambda e: e["id"])]
        if names:
            if not all(isinstance(name, str) for name in names):
                raise NamesError(f"{path}: not all names in {key or 'the list'} are text")
            return names
    raise NamesError(
        f"{path}: holds no names: neither categories (COCO), classes (FiftyOne), nor a list of "
        "names or of objects with a name (CVAT)"
    )


def _lists(members: Iterable[Section]) -> dict[str | None, list]:
    """Those lists of a file in which names may be."""
    found: dict[str | None, list] = defaultdict(list)
    for key, _, entries in members:
        if entries is not None and key in (
            "categories",
            "classes",
            "default_classes",
            "names",
            None,
        ):
            found[key] = [entry for batch in entries.batches() for entry in batch.plain()]
    return found
