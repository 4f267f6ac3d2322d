"""Division of images among any number of processes, by locks on one file of a shared file system.

Byte 0 of the file stands for the run, byte 1 + i for image i: "." open, "d" done, "f" failed. A
process works on an image while it holds the POSIX lock of the image's byte, and belongs to the run
while it holds a shared lock of byte 0. The kernel (or the file server) takes the locks from a
process that dies, whatever kills it, so there are no leases to wait for, and a fast process simply
claims more images than a slow one. Should a file system not honour the locks, images are labelled
more than once, and the merge still counts each once.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..utils.errors import CannotWrite
from .errors import LabelingError

OPEN, DONE, FAILED = b".", b"d", b"f"
_BLOCK = 4096


class Counts(NamedTuple):
    """How many images are in which state."""

    open: int
    done: int
    failed: int

    @property
    def total(self) -> int:
        return sum(self)


class Work:
    """One process's share in the run whose state is the file ``path``.

    Locks belong to the process: at most one ``Work`` for a file in each process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cursor = 0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CannotWrite(path, error) from error

    def join(self, prepare: Callable[[], bytes]) -> None:
        """Becomes a member of the run. The first member, alone until then, takes the states of all
        images from ``prepare``; whatever the file held before is forgotten."""
        while True:
            if self._lock(fcntl.LOCK_EX, 0):
                self._write(b"-" + prepare(), 0)
                self._lock(fcntl.LOCK_SH, 0)
                return
            if self._lock(fcntl.LOCK_SH, 0):
                return
            time.sleep(0.05)  # the first member is preparing, or the last one merging

    def claim(self) -> int | None:
        """An open image that nobody works on, or None when there is none after the last one."""
        while block := os.pread(self._file, _BLOCK, 1 + self._cursor):
            at = block.find(OPEN)
            if at < 0:
                self._cursor += len(block)
                continue
            index = self._cursor + at
            self._cursor = index + 1
            if self._lock(fcntl.LOCK_EX, 1 + index):
                if os.pread(self._file, 1, 1 + index) == OPEN:
                    return index
                self.release(index)
        return None

    def finish(self, index: int, state: bytes) -> None:
        """Marks a claimed image DONE or FAILED; its result must be in a shard by now."""
        self._write(state, 1 + index)
        self.release(index)

    def release(self, index: int) -> None:
        """Gives a claimed image back."""
        self._lock(fcntl.LOCK_UN, 1 + index)

    def counts(self) -> Counts:
        """Over all images and processes, as of now."""
        states = os.pread(self._file, os.fstat(self._file).st_size - 1, 1)
        return Counts(states.count(OPEN), states.count(DONE), states.count(FAILED))

    def leave(self) -> bool:
        """Ends the membership. True for the last member, who is alone with the run from here on and
        finds the images of members that died when it claims again."""
        self._lock(fcntl.LOCK_UN, 0)
        self._cursor = 0
        return self._lock(fcntl.LOCK_EX, 0)

    def close(self) -> None:
        """Gives all locks back."""
        os.close(self._file)

    def _lock(self, kind: int, byte: int) -> bool:
        try:
            fcntl.lockf(self._file, kind | (0 if kind == fcntl.LOCK_UN else fcntl.LOCK_NB), 1, byte)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise LabelingError(
                f"{self._path}: the file system refuses POSIX locks ({error.strerror}); choose an "
                "--output on one that has them (NFS 4, or Lustre mounted with 'flock')"
            ) from error
        return True

    def _write(self, states: bytes, start: int) -> None:
        try:
            os.pwrite(self._file, states, start)
            if start == 0:
                os.ftruncate(self._file, len(states))
        except OSError as error:
            raise CannotWrite(self._path, error) from error
