"""How a labelling run ends: errors for the user, and how many failing images it takes."""

from typing import NamedTuple

from ..utils.errors import ZipSegError


class LabelingError(ZipSegError):
    """A run that cannot start or go on until the user changes something."""


class TooManyFailures(LabelingError):
    """More images failed than the run allows."""

    exit_code = 3


class Rules(NamedTuple):
    """How a run treats failing images."""

    retry_failures: bool = False  # images that failed before are open again
    max_failures: float = 0.05  # stop when more than this share failed ...
    min_failures: int = 10  # ... and more than this many
