"""A step: one command line, what decides its outcome, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..utils.errors import ZipSegError
from ..utils.identity import file_checksum


class StepError(ZipSegError):
    """A step that cannot start or did not end well."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Step:
    """One command whose product is a file.

    Attributes:
        name: also its folder below the pipeline's, such as "round1/train".
        command: a subcommand of ``zipseg`` and its arguments.
        product: the file that is there when the command has done its work; absolute, or relative
            to the working directory as in ``command``.
        needs: files that it reads, products of other steps among them.
        settings: JSON-ready values that decide the outcome too, such as what the config says.
        config: the config file and the KEY VALUE options that ``settings`` are read from.
        measured: the product -> what was measured, JSON-ready; None where nothing is.
        launch: words before the interpreter, e.g. ``srun ...``. Like ``extra`` they say how the
            step runs and may differ from one start to the next.
        extra: arguments right after the subcommand.
    """

    name: str
    command: tuple[str, ...]
    product: Path
    needs: tuple[Path, ...] = ()
    settings: Mapping = field(default_factory=dict)
    config: tuple[str, tuple[str, ...]] | None = None
    measured: Callable[[Path], dict] | None = None
    launch: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def checksum(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        StepError: it cannot be read.
    """
    try:
        return file_checksum(path)
    except OSError as error:
        raise StepError(f"{path}: cannot be read ({error.strerror})") from error
