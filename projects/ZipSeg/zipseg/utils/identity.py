"""Was this done with the same inputs? Checksums of files, values and code, and what
differs between two records."""

import hashlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]


def file_checksum(path: Path) -> str:
    """SHA-256 of a file; raises OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def value_checksum(value: Any) -> str:
    """SHA-256 of JSON-ready values, the order of keys aside."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def code_checksum(folders: Sequence[str]) -> str:
    """SHA-256 of the sources in some folders of this package, uncommitted changes too."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def commit() -> str:
    """The commit this package runs from, "unknown" outside a repository."""
    try:
        call = ["git", "-C", str(PACKAGE), "rev-parse", "HEAD"]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # installed from an archive


def differences(old: object, new: object, where: str = "") -> Iterator[str]:
    """Lines such as ``config.INPUT.FORMAT: was BGR, is now RGB`` for two JSON values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=str):
            yield from differences(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, f"{where}[{i}]")
    elif old != new:
        yield f"{where}: was {_short(old)}, is now {_short(new)}"


def listed_differences(lines: Sequence[str], most: int = 20) -> list[str]:
    """The first ``most`` lines and how many more there are."""
    more = [f"... and {len(lines) - most} more"] if len(lines) > most else []
    return [*lines[:most], *more]


def _short(value: object) -> str:
    text = json.dumps(value) if value is not None else "absent"
    return text if len(text) <= 80 else text[:77] + "..."
