"""SIGTERM and SIGINT: what a queue sends before it takes the machine, and the user's Ctrl-C."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import REQUEUE


@contextmanager
def handled(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Within the block both signals call ``handler``; outside of the main thread, which alone may
    choose, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {s: signal.signal(s, handler) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """An event that the signals set, in place of ending the process."""
    stop = threading.Event()
    with handled(lambda number, frame: stop.set()):
        yield stop


@contextmanager
def requeued_at_once() -> Iterator[None]:
    """The signals end the process with ``REQUEUE``: for code with nothing in flight."""

    def stop(number: int, frame: object) -> None:
        sys.exit(REQUEUE)

    with handled(stop):
        yield
