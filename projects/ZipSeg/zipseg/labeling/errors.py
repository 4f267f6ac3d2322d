"""How a labelling run ends: errors for the user and the exit codes of the command line."""

from ..errors import ZipSegError

# The run is incomplete but sound: start the same command again (sysexits' EX_TEMPFAIL; SLURM's
# `RequeueExit=75` requeues such jobs by itself).
REQUEUE = 75


class LabelingError(ZipSegError):
    """A run that cannot start or go on until the user changes something."""

    exit_code = 2


class TooManyFailures(LabelingError):
    """More images failed than the run allows."""

    exit_code = 3


class CannotWrite(LabelingError):
    """A full disk, a read-only folder and their kin (sysexits' EX_IOERR)."""

    exit_code = 74

    def __init__(self, path: object, error: OSError) -> None:
        super().__init__(
            f"{path}: cannot be written ({error.strerror or error}); nothing that was written is "
            "lost: free space or fix the permissions, then start the same command again"
        )
