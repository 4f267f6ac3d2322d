"""One process at a time in a folder, whatever has become of the one that started it."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..utils.errors import CannotWrite

logger = logging.getLogger(__name__)


@contextmanager
def held(folder: Path, wait: bool = True) -> Iterator[int | None]:
    """Holds the folder's lock; the descriptor is for commands to inherit.

    A command that outlives a killed pipeline keeps the lock through the descriptor, so that the
    next start waits for it in place of running it twice. The system takes the lock from whatever
    dies.

    Args:
        wait: until the lock is free; otherwise None comes in place of the descriptor when it is
            not.

    Raises:
        CannotWrite: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CannotWrite(folder, error) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                yield None
                return
            logger.warning("%s: waiting for another run, or what one has left running", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)
