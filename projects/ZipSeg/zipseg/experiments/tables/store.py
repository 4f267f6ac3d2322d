"""Runs rows and keeps each finished one as a file of its own, which outlasts the machine."""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from ...data.coco_format import read_truth
from ...self_training.lock import held
from ...self_training.programs import Programs
from ...self_training.runner import Pipeline
from ...self_training.step import StepError
from ...utils.errors import REQUEUE, ZipSegError
from ...utils.files import write_json
from ...utils.identity import PACKAGE, code_checksum, file_checksum, read_record, refuse_changes
from .rows import Declaration
from .steps import needed_steps, request, row_steps

logger = logging.getLogger(__name__)
_LIBRARIES = ("torch", "torchvision", "open_clip_torch", "numpy", "opencv-python")


def world_inputs() -> dict[str, str]:
    """What decides results on the small world besides configs: its networks and its scenes."""
    networks = PACKAGE / "zipworld" / "networks" / "checksums.json"
    return {
        "networks": file_checksum(networks),
        "scenes": code_checksum(["zipworld/scenes"]),
    }


class Rows:
    """The rows of a declaration with what is kept of them.

    Args:
        results: the folder of the kept files, one a row.
    """

    def __init__(self, declaration: Declaration, programs: Programs, results: Path) -> None:
        self.declaration, self.programs, self.results = declaration, programs, results

    def kept(self, name: str) -> dict | None:
        """A finished row's file: the row as declared, metrics, commands, seconds of each step."""
        return read_record(self._path(name), "delete it to run the row again")

    def state(self, name: str) -> str:
        """ "done", "changed" (declared or configured otherwise since) or "to do"."""
        try:
            return "to do" if self._done(name) is None else "done"
        except ZipSegError:
            return "changed"

    def pipeline(self, name: str) -> Pipeline:
        """All steps that a row needs, those of rows that it needs among them."""
        return Pipeline(self.programs, needed_steps(self.declaration, self.programs, name))

    def run(self, names: Sequence[str], deadline: float | None = None) -> int:
        """Runs the rows that are not done, in the declaration's order.

        Rows that another process is at are passed over; so are those that fail or were asked for
        otherwise before, and those that need them fail in turn.

        Args:
            deadline: ``time.monotonic()`` after which nothing starts and what runs is interrupted;
                the next run goes on with it.

        Returns:
            The exit code: 0 all done, 75 start again to go on, 1 some failed.
        """
        failed = left = 0
        for name in (x for x in self.declaration.rows if x in set(names)):
            if self.state(name) == "done":
                continue
            if deadline is not None and time.monotonic() >= deadline:
                return REQUEUE
            with held(self.programs.folder(name), wait=False) as lock:
                if lock is None:
                    logger.info("%s: another process is at it", name)
                    left += 1
                    continue
                try:
                    if self._done(name) is None:
                        self._run(name, deadline)
                except ZipSegError as error:
                    if isinstance(error, StepError) and error.exit_code == REQUEUE:
                        logger.warning("%s", error)
                        return REQUEUE
                    logger.error("%s: %s", name, error)
                    failed += 1
        return 1 if failed else REQUEUE if left else 0

    def finished(self) -> Iterator[dict]:
        """The kept files of declared rows, in the declaration's order, changed ones too."""
        for name in self.declaration.rows:
            kept = self.kept(name)
            if kept is not None:
                yield {**kept, "state": self.state(name)}

    def _path(self, name: str) -> Path:
        return self.results / f"{name}.json"

    def _request(self, name: str) -> dict:
        asked = request(self.declaration, self.programs, name)
        return json.loads(json.dumps(asked))  # as it is read again

    def _done(self, name: str) -> dict | None:
        kept = self.kept(name)
        if kept is not None:
            refuse_changes(
                f"{self._path(name)}: is of another request:",
                kept,
                {"request": self._request(name)},
                "Undo the change, or delete the file (and its steps in the folder of checkpoints) "
                "to run the row again.",
            )
        return kept

    def _run(self, name: str, deadline: float | None) -> None:
        logger.info("row %s", name)
        pipeline = self.pipeline(name)
        pipeline.run(deadline=deadline)
        row, steps = self.declaration.rows[name], row_steps(self.declaration, self.programs, name)
        records = {step.name: pipeline.record(step) for step in pipeline.steps}
        measured = records[steps.measure.name]
        content = {
            "name": name,
            "table": row.table,
            "title": row.title,
            "keys": dict(row.keys),
            "request": self._request(name),
            "metrics": _first(row.measure, measured["metrics"]),
            "labels": None if steps.trained_on is None else _count(steps.trained_on),
            "commands": {key: " ".join(record["command"]) for key, record in records.items()},
            "seconds": {key: record["seconds"] for key, record in records.items()},
            "commit": measured["commit"],
            "finished": measured["finished"],
            "versions": {library: metadata.version(library) for library in _LIBRARIES},
            "machine": _machine(self.programs.launch.device),
        }
        write_json(self._path(name), content)


def _machine(device: str | None) -> str:
    cores = f"{platform.machine()}, {os.cpu_count()} cores"
    return cores if device in (None, "cpu") else f"{cores}, {device}"


def _first(measure: str, metrics: Mapping) -> Mapping:
    """What was measured; of an evaluation that on the first data set."""
    return next(iter(metrics.values())) if measure == "evaluation" else metrics


def _count(labels: Path) -> dict[str, int]:
    truth = read_truth(labels)
    return {"images": len(truth.image_ids), "annotations": len(truth.image)}
