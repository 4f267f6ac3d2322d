"""Runs rows and keeps each finished one as a file of its own, which outlasts the machine."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ...self_training.lock import held
from ...self_training.programs import Programs
from ...self_training.runner import Pipeline
from ...self_training.step import StepError
from ...utils.errors import REQUEUE
from ...utils.files import write_json
from .plan import identity, needed_steps, row_steps
from .rows import Declaration

logger = logging.getLogger(__name__)


class Rows:
    """The rows of a declaration with what is kept of them.

    Args:
        results: the folder of the kept files, one a row.
    """

    def __init__(self, declaration: Declaration, programs: Programs, results: Path) -> None:
        self.declaration, self.programs, self.results = declaration, programs, results

    def kept(self, name: str) -> dict | None:
        """A finished row's file: the row as declared, metrics, commands, seconds of each step."""
        path = self.results / f"{name}.json"
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StepError(f"{path}: damaged ({error}); delete it to run the row again") from error

    def state(self, name: str) -> str:
        """ "done", "out of date" (declared or configured otherwise since) or "to do"."""
        kept = self.kept(name)
        if kept is None:
            return "to do"
        same = kept["identity"] == identity(self.declaration, name)
        return "done" if same else "out of date"

    def pipeline(self, name: str) -> Pipeline:
        """All steps that a row needs, those of rows that it needs among them."""
        return Pipeline(self.programs, needed_steps(self.declaration, self.programs, name))

    def run(self, names: Sequence[str], deadline: float | None = None) -> int:
        """Runs the rows that are not done, in the declaration's order.

        Rows that another process is at are passed over; rows that fail too, and those that need
        them fail in turn.

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
                    self._run(name, deadline)
                except StepError as error:
                    if error.exit_code == REQUEUE:
                        logger.warning("%s", error)
                        return REQUEUE
                    logger.error("%s: %s", name, error)
                    failed += 1
        return 1 if failed else REQUEUE if left else 0

    def _run(self, name: str, deadline: float | None) -> None:
        logger.info("row %s", name)
        pipeline = self.pipeline(name)
        pipeline.run(deadline=deadline)
        row, steps = self.declaration.rows[name], row_steps(self.declaration, self.programs, name)
        records = {step.name: pipeline.record(step) for step in pipeline.steps}
        evaluation = records[steps.evaluate.name]
        content = {
            "name": name,
            "table": row.table,
            "title": row.title,
            "keys": dict(row.keys),
            "identity": identity(self.declaration, name),
            "metrics": evaluation["metrics"],
            "labels": None if steps.labels is None else _count(steps.labels.product),
            "commands": {key: " ".join(record["command"]) for key, record in records.items()},
            "seconds": {key: record["seconds"] for key, record in records.items()},
            "commit": evaluation["commit"],
            "finished": evaluation["finished"],
            "torch": torch.__version__,
            "machine": platform.machine(),
        }
        write_json(self.results / f"{name}.json", content)

    def finished(self) -> Iterator[dict]:
        """The kept files of declared rows, in the declaration's order, those out of date too."""
        for name in self.declaration.rows:
            kept = self.kept(name)
            if kept is not None:
                yield {**kept, "state": self.state(name)}


def _count(labels: Path) -> dict[str, int]:
    content = json.loads(labels.read_text())
    return {key: len(content[key]) for key in ("images", "annotations")}
