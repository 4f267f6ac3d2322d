"""Files from the network: resumed where they broke off, checked, and there whole or not at all."""

import errno
import http.client
import logging
import os
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from .errors import ZipSegError
from .identity import file_checksum

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20  # bytes
_SECONDS = 30.0  # without a byte before a connection counts as broken
_ATTEMPTS = 5  # that bring nothing, one after the other
_PAUSE = 1.0  # seconds before the second attempt, twice as long before each later one
# What a connection that breaks off raises while it is read.
_BROKEN = (ConnectionError, TimeoutError, EOFError, ssl.SSLError, http.client.HTTPException)


class DownloadError(ZipSegError):
    """A file that cannot be had; the message names it and why."""


@dataclass(frozen=True)
class RemoteFile:
    """A file known by its address.

    Attributes:
        name: what it is called in a cache.
        url: http or https.
        size: in bytes; None where it is not known.
        sha256: 64 hexadecimal digits; None where it is not known.
    """

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        size = f" ({self.size / 1e6:,.0f} MB)" if self.size else ""
        return f"{self.name}{size}"


def cache_folder(kind: str) -> Path:
    """Where files of a kind are kept: ``$ZIPSEG_CACHE/kind``, by default
    ``$XDG_CACHE_HOME/zipseg/kind``, which is ``~/.cache/zipseg/kind`` where that is not set."""
    root = os.environ.get("ZIPSEG_CACHE")
    if not root:
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "zipseg"
    return Path(root).expanduser() / kind


def is_complete(remote: RemoteFile, path: Path, checksum: bool = False) -> bool:
    """Whether ``path`` is the file, judged by its size and, if asked, by its checksum.

    A file gets its name only once its checksum was right, so the size is enough at every start.
    """
    if not path.is_file() or remote.size not in (None, path.stat().st_size):
        return False
    return not (checksum and remote.sha256) or file_checksum(path) == remote.sha256


def fetch(remote: RemoteFile, folder: Path) -> Path:
    """The local path of the file, which is downloaded into ``folder`` unless it is there.

    Any number of processes, on any machines that share the folder, may ask at once: one downloads
    and the others wait. What a broken connection or a killed process left is gone on with.

    Raises:
        DownloadError: no network, no space, no right to write, a server that refuses, or a file
            of another size or checksum. The message is one line.
    """
    path = folder / remote.name
    if is_complete(remote, path):
        return path
    if not remote.url.startswith(("http://", "https://")):
        raise DownloadError(f"{remote}: '{remote.url}' is neither an http nor an https address")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(remote, folder):
            if not is_complete(remote, path):
                _download(remote, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadError(f"{remote}: {folder} cannot be written ({reason})") from error
    return path


@contextmanager
def _one_at_a_time(remote: RemoteFile, folder: Path) -> Iterator[None]:
    """Holds the file's lock, which the kernel takes from a process that dies."""
    lock = FileLock(folder / f".{remote.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("Waiting for another process that downloads %s", remote)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _download(remote: RemoteFile, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    resumed = _size(part) > 0
    logger.info("Downloading %s from %s to %s", remote, remote.url, path)
    _complete(remote, part)
    if remote.sha256 and file_checksum(part) != remote.sha256:
        part.unlink()
        if not resumed:
            raise DownloadError(
                f"{remote}: what {remote.url} sends is not that file: its SHA-256 is not "
                f"{remote.sha256[:16]}..."
            )
        logger.warning("%s: what was there of it was damaged; downloading it again", remote)
        _download(remote, path)
        return
    part.replace(path)


def _complete(remote: RemoteFile, part: Path) -> None:
    """Appends to ``part`` until it has the whole length."""
    connected, failures = False, 0
    while True:
        before = _size(part)
        try:
            _append(remote, part)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise DownloadError(
                    f"{remote}: {remote.url} answers {error.code} {error.reason}"
                ) from error
            reason = f"{error.code} {error.reason}"
        except urllib.error.URLError as error:
            reason = str(error.reason)
            if not connected:  # no network: trying again would only keep the user waiting
                raise DownloadError(
                    f"{remote}: {remote.url} cannot be reached ({reason})"
                ) from error
        except _BROKEN as error:
            reason = str(error) or type(error).__name__
        connected = True
        failures = 0 if _size(part) > before else failures + 1
        if failures == _ATTEMPTS:
            raise DownloadError(
                f"{remote}: {remote.url} broke off {failures} times ({reason}); "
                f"{_size(part) / 1e6:,.1f} MB are there and the next attempt goes on with them"
            )
        time.sleep(_PAUSE * 2**failures)


def _append(remote: RemoteFile, part: Path) -> None:
    """One connection's worth.

    Raises:
        EOFError: the connection ended early.
        OSError, HTTPException: as ``urllib`` has them.
        DownloadError: the file is of another size than it should be, or there is no room for it.
    """
    have = _size(part)
    if have and have == remote.size:
        return
    request = urllib.request.Request(remote.url, headers={"User-Agent": "zipseg"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing after what is there: it is not this file's
            part.unlink()
            raise ConnectionError("what was there was longer than the file") from error
        raise
    with response:
        start = have if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else remote.size
        if remote.size is not None and total != remote.size:
            raise DownloadError(
                f"{remote}: what {remote.url} sends has {total:,} bytes, not {remote.size:,}"
            )
        _check_room(remote, part, (total or 0) - start)
        _write(remote, response, part, start, total)
    if total is not None and _size(part) != total:
        raise EOFError("the connection ended early")


def _write(
    remote: RemoteFile,
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    total: int | None,
) -> None:
    # A log file gets a line every half minute, a terminal a bar.
    pause = 0.2 if sys.stderr.isatty() else 30.0
    bar = tqdm(
        desc=remote.name,
        initial=start,
        total=total,
        unit="B",
        unit_scale=True,
        unit_divisor=1000,
        mininterval=pause,
    )
    with bar, part.open("ab" if start else "wb") as file:
        while block := response.read1(_BLOCK):
            file.write(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())


def _check_room(remote: RemoteFile, part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise DownloadError(
            f"{remote}: {part.parent} has room for {free / 1e6:,.0f} MB, and "
            f"{needed / 1e6:,.0f} MB are needed ({os.strerror(errno.ENOSPC)})"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
