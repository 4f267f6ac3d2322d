"""The project's command lines with all that they start replaced by ``fake_tools.py``."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from zipseg.self_training import programs

ROOT = Path(__file__).resolve().parents[2]
FAKES = Path(__file__).with_name("fake_tools.py")
TINY = str(ROOT / "tests" / "labeling" / "tiny_mask_rcnn.yaml")


def fake_tools(folder: Path) -> Path:
    """A folder with the fake of the console command."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(FAKES, folder)
    return folder


def fake_program(tools: Path) -> tuple[str, ...]:
    """The words that start the fake."""
    return sys.executable, str(tools / FAKES.name)


class Among:
    """A real command line whose steps are those of the folder of fakes."""

    def __init__(self, tools: Path, command: Callable[[list[str]], int]) -> None:
        self.tools, self.command = tools, command

    def main(self, words: list[str]) -> int:
        with mock.patch.object(programs, "PROGRAM", fake_program(self.tools)):
            return self.command(words)


def starts(tools: Path) -> list[str]:
    """Every command line that was started, in order."""
    log = tools / "LOG"
    return log.read_text().splitlines() if log.exists() else []
