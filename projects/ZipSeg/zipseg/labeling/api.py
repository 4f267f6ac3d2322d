"""The labelling run as a function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..utils.config_files import get_config_file
from .assembly import LABELS, outcome
from .distributed import run
from .errors import LabelingError, Rules
from .job import LabelJob


def label_images(
    images: str | Path | Sequence[str | Path],
    names: str | Sequence[str],
    config_file: str | Path,
    output: str | Path,
    *,
    opts: Sequence[object] = (),
    num_ranks: int | None = None,
    threads: int = 1,
    report: bool = False,
    rules: Rules = Rules(),  # noqa: B008 - a NamedTuple
    modules: Sequence[str] = ("zipseg.zipworld",),
) -> Path:
    """Labels images with a model: what ``zipseg label`` does. Called again it goes on where it was.

    Args:
        images: files, folders and globs, or one of these.
        names: of the categories; a list, the path of a file of names, or "name,name,...".
        config_file: of the model; a path or the relative name of one that ships.
        output: the folder of this run.
        opts: KEY, VALUE, ... that change the config.
        num_ranks: processes; None for one on each GPU, or this process alone. More than one needs
            the caller to be guarded by ``if __name__ == "__main__"``.
        threads: of each process on the CPU.
        report: write ``output/report.html`` as well.
        rules: for failing images.
        modules: that register data sets, weights and architectures; every process imports them.

    Returns:
        ``output/labels.json``, a COCO-format file.

    Raises:
        ZipSegError: unusable input; too many images that failed; a run that was stopped, which the
            same call goes on with.
    """
    words = [images] if isinstance(images, str | Path) else images
    job = LabelJob(
        config_file=get_config_file(config_file),
        output=str(output),
        images=tuple(str(word) for word in words),
        names=names if isinstance(names, str) else ",".join(names),
        opts=tuple(map(str, opts)),
        rules=rules,
        threads=threads,
        report=report,
        modules=tuple(modules),
    )
    code = run(job, num_ranks)
    if code:
        raise LabelingError(outcome(Path(output), code))
    return Path(output) / LABELS
