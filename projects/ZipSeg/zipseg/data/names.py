"""Lists of category names."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..utils.errors import ZipSegError


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
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise NamesError(
            f"{source}: named more than once: {', '.join(twice[:5])}; keep one of each"
        )
    return names


def read_names(text: str) -> tuple[str, ...]:
    """Names from a UTF-8 file, one a line (empty lines and lines starting with # are passed over),
    or, where there is no such file, from the comma-separated text itself.

    Raises:
        NamesError: as for ``check_names``; a file that is not UTF-8 text.
    """
    path = Path(text).expanduser()
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # a list too long for a file name
        is_file = False
    if not is_file:
        if path.suffix == ".txt":
            raise NamesError(f"{text}: no such file")
        return check_names([name for name in text.split(",") if name.strip()], "the list of names")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise NamesError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    return check_names(
        [line for line in lines if line.strip() and not line.startswith("#")], str(path)
    )
