"""Runs steps once each: a state machine whose whole state is the files of the steps' folders.

A step's folder holds ``started.json`` from its first start on and ``done.json`` once its product is
there; both name the command, the settings and the checksums of what it reads. A finished step is
never repeated, an interrupted one runs its command again (every command resumes by itself), and one
whose command, settings or inputs have changed is refused.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..utils.errors import REQUEUE
from ..utils.files import write_json
from ..utils.identity import commit, read_record, refuse_changes
from .lock import held
from .process import execute
from .programs import Programs, check_configs
from .step import Step, StepError, checksum

logger = logging.getLogger(__name__)
DONE, STARTED = "done.json", "started.json"


class Pipeline:
    """Steps in an order in which each comes after those whose products it needs."""

    def __init__(self, programs: Programs, steps: Sequence[Step]) -> None:
        self.programs, self.steps = programs, list(steps)
        self._makers = {step.product: step for step in self.steps}

    def record(self, step: Step) -> dict | None:
        """``done.json`` of a finished step: command, settings, inputs, product, metrics, seconds
        (of its last start)."""
        return _record(self.programs.folder(step.name) / DONE)

    def state(self, step: Step) -> str:
        """ "done", "interrupted" or "to do"."""
        if self.record(step) is not None:
            return "done"
        started = self.programs.folder(step.name) / STARTED
        return "interrupted" if started.exists() else "to do"

    def step(self, name: str) -> Step:
        """Raises StepError, listing the names, where there is none of this name."""
        found = next((step for step in self.steps if step.name == name), None)
        if found is None:
            names = ", ".join(step.name for step in self.steps)
            raise StepError(f"--step: no '{name}'; there are {names}")
        return found

    def check(self) -> None:
        """Refuses to go on with a changed request, before anything runs.

        Raises:
            ZipSegError: a finished or interrupted step was asked for otherwise; says what differs.
        """
        for step in self.steps:
            self._check(step)

    def run(
        self,
        only: Sequence[Step] | None = None,
        after: Callable[[Step], None] = lambda step: None,
        deadline: float | None = None,
    ) -> None:
        """Carries out what is not done yet, in order.

        Args:
            only: some of the steps; None for all.
            after: called after each step that is finished.
            deadline: ``time.monotonic()`` at which the running command is interrupted.

        Raises:
            StepError: a command failed or was interrupted (exit code 75: start again).
            ZipSegError: a request that is refused, a config that does not fit.
        """
        self.check()
        wanted = self.steps if only is None else only
        check_configs(step for step in wanted if self.record(step) is None)
        for step in wanted:
            with held(self.programs.folder(step.name)) as lock:
                if self.record(step) is None:
                    self._run(step, lock, deadline)
            after(step)

    def _run(self, step: Step, lock: int, deadline: float | None) -> None:
        folder = self.programs.folder(step.name)
        identity = self._identity(step, self._inputs(step))
        write_json(folder / STARTED, identity)
        shown = self.programs.shown(step)
        logger.info("%s: %s", step.name, shown)
        begin = time.monotonic()
        code = execute(self.programs.argv(step), lock, deadline)
        if code != 0:
            ended = "was interrupted" if code == REQUEUE else f"ended with exit code {code}"
            again = "; start the same command again to go on" if code == REQUEUE else ""
            raise StepError(f"{step.name} {ended}{again}: {shown}", code)
        if not step.product.is_file():
            raise StepError(f"{step.name} ended well but left no {step.product}: {shown}", 1)
        record = {
            **identity,
            "product": checksum(step.product),
            "metrics": step.measured(step.product) if step.measured else {},
            "seconds": round(time.monotonic() - begin, 1),
            "commit": commit(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_json(folder / DONE, record)

    def _inputs(self, step: Step) -> dict[str, str]:
        """Checksums of what is about to be read, the same as when it was made."""
        found = {}
        for path in step.needs:
            maker = self._makers.get(path)
            record = self.record(maker) if maker else None
            if maker and record is None:
                raise StepError(f"{step.name}: needs {maker.name} first")
            found[self._local(str(path))] = checksum(path)
            if record and record["product"] != found[self._local(str(path))]:
                raise StepError(
                    f"{path}: has changed since {maker.name} made it; restore it, or delete "
                    f"{self.programs.folder(maker.name)} and all that follows"
                )
        return found

    def _known_inputs(self, step: Step) -> dict[str, str]:
        """Checksums as far as they are known without running anything."""
        found = {}
        for path in step.needs:
            maker = self._makers.get(path)
            record = self.record(maker) if maker else None
            if record:
                found[self._local(str(path))] = record["product"]
            elif not maker:
                found[self._local(str(path))] = checksum(path)
        return found

    def _check(self, step: Step) -> None:
        folder = self.programs.folder(step.name)
        kept = _record(folder / DONE) or _record(folder / STARTED)
        if kept is None:
            return
        now = self._identity(step, self._known_inputs(step))
        for path in (self._local(str(path)) for path in step.needs):
            if path in kept["inputs"]:  # not known now if its maker is not done
                now["inputs"].setdefault(path, kept["inputs"][path])
        refuse_changes(
            f"{folder}: was run otherwise:",
            kept,
            now,
            "Undo the change to go on, choose a new --output, or delete the folder (and those of "
            "the steps after it) to repeat it.",
        )

    def _identity(self, step: Step, inputs: dict[str, str]) -> dict:
        command = [self._local(word) for word in step.command]
        identity = {"command": command, "settings": dict(step.settings), "inputs": inputs}
        # As it is read again.
        return json.loads(json.dumps(identity))

    def _local(self, text: str) -> str:
        """Without the output folder's own path: it may be moved."""
        output = re.escape(str(self.programs.output))
        return re.sub(rf"(?<![\w./-]){output}(?=/|$)", "OUT", text)


def _record(path: Path) -> dict | None:
    return read_record(path, "delete its folder to repeat the step")
