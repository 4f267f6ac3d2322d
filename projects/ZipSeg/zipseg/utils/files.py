"""Files that readers see whole: the old one or the new one, never a part."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO
from zipfile import BadZipFile

from .errors import CannotWrite, ZipSegError

if TYPE_CHECKING:
    import numpy as np

# How gzip, zip, bzip2, xz, Zstandard and 7z files start.
_COMPRESSED = (b"\x1f\x8b", b"PK", b"BZ", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file to write that takes the place of ``path`` when, and only when, the block has
    ended well and all is on the disk; its folder is made if need be.

    Raises:
        CannotWrite: whatever was there before is unchanged.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                file.close()
                os.chmod(file.name, 0o666 & ~_umask())
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise CannotWrite(path, error) from error


@contextmanager
def replacing_text(path: str | Path) -> Iterator[TextIO]:
    """The same for text in UTF-8."""
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8")
        yield text
        text.detach()  # flushes, and leaves the file open


def write_atomically(path: str | Path, content: bytes) -> None:
    """Writes a file at once, with its folder if need be; raises CannotWrite as ``replacing``."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: str | Path, content: Mapping | Sequence) -> None:
    """Writes JSON all at once."""
    write_atomically(path, json.dumps(content).encode())


def load_json(path: str | Path) -> Any:
    """A JSON file as plain values, in UTF-8, -16 or -32, with or without a byte order mark.

    Raises:
        ZipSegError: naming the file, if it cannot be read or is not JSON.
    """
    try:
        content = Path(path).read_bytes()
        if content.startswith(_COMPRESSED):
            raise ZipSegError(f"{path}: not a JSON file but a compressed one; unpack it first")
        # The reader of COCO files comes here for what msgspec does not take.
        return json.loads(content)
    except OSError as error:
        raise ZipSegError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise ZipSegError(f"{path}: not a JSON file (nested too deep)") from error
    except UnicodeDecodeError as error:
        raise ZipSegError(
            f"{path}: not a JSON file (byte {error.start} is not UTF-8; save it as UTF-8)"
        ) from error
    except ValueError as error:
        raise ZipSegError(f"{path}: not a JSON file ({error})") from error


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes compressed arrays all at once."""
    import numpy as np  # command lines that need no arrays start without it

    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def load_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file; nothing in it is executed.

    Raises:
        ZipSegError: naming the file, if it cannot be read or is damaged.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, AttributeError, BadZipFile, zlib.error) as error:
        raise ZipSegError(f"{path} cannot be read as .npz: {error}") from error


def _umask() -> int:
    """The permissions that new files lack; temporary ones are private regardless."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
