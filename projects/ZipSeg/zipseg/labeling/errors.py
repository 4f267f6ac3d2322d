"""How a labelling run ends: errors for the user and the exit codes of the command line."""

from ..utils.errors import ZipSegError


class LabelingError(ZipSegError):
    """A run that cannot start or go on until the user changes something."""


class TooManyFailures(LabelingError):
    """More images failed than the run allows."""

    exit_code = 3
