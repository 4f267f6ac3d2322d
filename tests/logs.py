"""What is logged; commands keep their log from pytest's own means."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def warnings_of(name: str) -> Iterator[list[str]]:
    """The warnings of a logger and those below it, in full, as they come."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
