"""Errors meant for the user: one clear sentence with the way out, shown without a traceback."""

import contextlib
import os
import sys
from collections.abc import Iterator

# Incomplete but sound: start the same command again (sysexits' EX_TEMPFAIL; SLURM's
# `RequeueExit=75` requeues such jobs by itself).
REQUEUE = 75


class ZipSegError(Exception):
    """Anything the user can mend: a config key, a file, a name list."""

    exit_code = 2


class ConfigError(ZipSegError):
    """A config key with an unusable value; the message starts with the key."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")


class ImageError(ZipSegError):
    """An image that cannot be read; the message starts with the file."""


class CannotWrite(ZipSegError):
    """A full disk, a read-only folder and their kin (sysexits' EX_IOERR)."""

    exit_code = 74

    def __init__(self, path: object, error: OSError) -> None:
        super().__init__(
            f"{path}: cannot be written ({error.strerror or error}); nothing that was written is "
            "lost: free space or fix the permissions, then start the same command again"
        )


@contextlib.contextmanager
def run_or_explain() -> Iterator[None]:
    """Ends the program with the message of a ``ZipSegError`` and its ``exit_code``, not a
    traceback."""
    try:
        yield
        sys.stdout.flush()
    except ZipSegError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever reads has seen enough, as `head` does; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def loading_problem(error: Exception) -> str:
    """Why a file of weights cannot be loaded, in one line.

    PyTorch's own text advises to load the file in a way that runs whatever code it holds; this
    never repeats that.
    """
    text = str(error).strip()
    if "weights_only" in text.lower().replace(" ", "_"):
        if "torchscript" in text.lower():
            return "it is a TorchScript program, not plain weights"
        return "it holds Python objects besides weights, which are never run"
    lines = text.splitlines() or [type(error).__name__]
    return " ".join(line.strip() for line in lines[:2])[:300]
