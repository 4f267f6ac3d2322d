"""Rate and remaining time: live on a terminal, one line a minute in a log."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

from .work import Counts


class Progress:
    """Shows how far all processes together have come.

    Args:
        start: the counts when this process began; the rate is over what came after.
        stream: where to; None for standard error.
        quiet: show nothing (the other ranks of a machine).
    """

    def __init__(self, start: Counts, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._start, self._began = start, time.monotonic()
        self._live = self._stream.isatty()
        self._period = 0.5 if self._live else 60.0
        self._next = float("inf") if quiet else self._began

    def due(self) -> bool:
        """Whether it is time to count and ``show``."""
        return time.monotonic() >= self._next

    def show(self, now: Counts, last: bool = False) -> None:
        """Writes one line, over the last one on a terminal."""
        if self._next == float("inf"):
            return
        self._next = time.monotonic() + self._period
        finished, before = now.total - now.open, self._start.total - self._start.open
        line = tqdm.format_meter(
            finished,
            now.total,
            time.monotonic() - self._began,
            ncols=100 if self._live else 0,
            prefix="labelling",
            unit="image",
            initial=before,
            postfix=f"{now.failed} failed",
        )
        if not self._live:
            line = f"{time.strftime('%H:%M:%S')} {line.strip()}"
        self._stream.write(f"\r{line}" if self._live and not last else f"\r{line}\n".lstrip("\r"))
        self._stream.flush()
