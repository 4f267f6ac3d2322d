"""A command that is stopped with us, and its end as an exit code."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..utils.errors import REQUEUE
from ..utils.signals import handled
from .step import StepError

_GRACE = 120  # seconds to finish an image or a checkpoint after SIGTERM


def execute(argv: Sequence[str], lock: int, deadline: float | None = None) -> int:
    """Runs a command with our terminal and returns its exit code; REQUEUE if a signal ended it.

    SIGTERM and SIGINT go on to it, and then REQUEUE is returned whatever it makes of them, unless
    it came to its end all the same.

    Args:
        lock: a descriptor to inherit.
        deadline: ``time.monotonic()`` at which it gets SIGTERM.

    Raises:
        StepError: it cannot be started.
    """
    try:
        process = subprocess.Popen(argv, pass_fds=[lock])
    except OSError as error:
        raise StepError(f"{argv[0]}: cannot be started ({error.strerror})") from error
    with _handed_on(process) as asked:
        try:
            process.wait(None if deadline is None else max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            asked.append(signal.SIGTERM)
            process.terminate()
            _wait_or_kill(process)
    if process.returncode == 0:
        return 0
    by_signal = process.returncode < 0 or process.returncode > 128  # launchers say it like shells
    return REQUEUE if asked or by_signal else process.returncode


def _wait_or_kill(process: subprocess.Popen) -> None:
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _handed_on(process: subprocess.Popen) -> Iterator[list[int]]:
    """Signals that came and were handed on."""
    asked: list[int] = []

    def hand_on(number: int, frame: object) -> None:
        asked.append(number)
        process.send_signal(signal.SIGTERM)

    with handled(hand_on):
        yield asked
