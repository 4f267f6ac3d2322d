"""Was this done with the same inputs? Checksums of files and code, records of what was done
with what, and the refusal to mix it with anything else."""

import ast
import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .errors import ZipSegError

PACKAGE = Path(__file__).resolve().parents[1]


def file_checksum(path: Path) -> str:
    """SHA-256 of a file; raises OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def code_checksum(folders: Sequence[str]) -> str:
    """SHA-256 of the code in some folders of this package, uncommitted changes too; comments,
    docstrings and layout do not count."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            code = _bare(path.read_text(encoding="utf-8"))
            digest.update(f"{path.relative_to(PACKAGE)}\0{code}\0".encode())
    return digest.hexdigest()


def _bare(source: str) -> str:
    """The code of a module without its texts, strings that stand by themselves, in a form that is
    the same for every Python: ``ast.unparse`` and ``ast.dump`` change with its versions."""
    return repr(_plain(ast.parse(source)))


def _plain(value: object) -> object:
    """A syntax tree as tuples, without fields that are empty, as those that a version adds are."""
    if isinstance(value, ast.AST):
        fields = ((name, _plain(each)) for name, each in ast.iter_fields(value))
        return (type(value).__name__, *((name, each) for name, each in fields if each))
    if isinstance(value, list):
        return tuple(_plain(each) for each in value if not _is_text(each))
    return None if value is None else repr(value)


def _is_text(node: object) -> bool:
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return constant and isinstance(node.value.value, str)


def commit() -> str:
    """The commit this package runs from, "unknown" outside a repository."""
    try:
        call = ["git", "-C", str(PACKAGE), "rev-parse", "HEAD"]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # installed from an archive


def differences(old: object, new: object, where: str = "") -> Iterator[str]:
    """Lines such as ``config.INPUT.FORMAT: was BGR, is now RGB`` for two JSON values."""
    if old is None and isinstance(new, dict):  # of a section that is new, every value is told
        old = {}
    elif new is None and isinstance(old, dict):
        new = {}
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=str):
            yield from differences(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, f"{where}[{i}]")
    elif old != new:
        yield f"{where}: was {_short(old)}, is now {_short(new)}"


def read_record(path: Path, way_out: str) -> dict | None:
    """The JSON object of a record; None where there is none.

    Args:
        way_out: what to do about a damaged one, for the message.

    Raises:
        ZipSegError: it is damaged.
    """
    try:
        # Its own record, not a COCO file.
        kept = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ZipSegError(f"{path}: damaged ({error}); {way_out}") from error
    if not isinstance(kept, dict):
        raise ZipSegError(f"{path}: damaged (no JSON object); {way_out}")
    return kept


def refuse_changes(what: str, kept: Mapping, asked: Mapping, way_out: str, most: int = 20) -> None:
    """Compares a record with what is asked for now, key by key of the latter.

    Args:
        what: the first line of the message.
        most: so many differences are listed.

    Raises:
        ZipSegError: anything differs; lists it and says ``way_out``.
    """
    lines = [line for key in asked for line in differences(kept.get(key), asked[key], key)]
    if lines:
        more = [f"... and {len(lines) - most} more"] if len(lines) > most else []
        raise ZipSegError("\n  ".join([what, *lines[:most], *more]) + f"\n{way_out}")


def _short(value: object) -> str:
    text = json.dumps(value) if value is not None else "absent"
    return text if len(text) <= 80 else text[:77] + "..."
