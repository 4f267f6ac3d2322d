"""Files that readers see whole: the old one or the new one, never a part."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_atomically(path: str | Path, content: bytes) -> None:
    """Writes a file at once, with its folder if need be.

    Raises:
        OSError: it cannot be written; whatever was there before is unchanged.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file to write that takes the place of ``path`` when the block has ended well.

    Raises:
        OSError: as ``write_atomically``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        try:
            yield file
            file.close()
            os.chmod(file.name, 0o666 & ~_umask())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _umask() -> int:
    """The permissions that new files lack; temporary ones are private regardless."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
