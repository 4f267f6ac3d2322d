"""What a command costs before it works: ``python -m benchmarks.startup`` prints CPU seconds of
``--help``, of a typo and of a missing file for every command, and of a dry run of ``tables``.

CPU seconds of a whole process, the interpreter's own start among them: they tell more than wall
time where other programs run. Needs neither a GPU nor weights, and imports no PyTorch itself.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from zipseg.cli.main import COMMANDS
from zipseg.utils.tables import markdown

TINY = "Test/zip_tiny_random.yaml"
# Of each command that reads files the words with which one is missing.
MISSING: dict[str, tuple[str, ...]] = {
    "predict": ("/none", "--names", "cat"),
    "download": ("--config-file", "none.yaml"),
    "label": ("/none", "--names", "cat", "--config-file", TINY, "--output", "o"),
    "report": ("none",),
    "filter": ("none.json", "o.json"),
    "merge": ("none.json", "none.json", "o.json"),
    "splits": ("none.json",),
    "train": ("--config-file", "none.yaml"),
    "self-train": (
        *("--config-file", "none.yaml", "--zip-config", TINY),
        *("--dataset", "d", "--output", "o"),
    ),
    "evaluate": ("none.json", "none.json", "--output", "o"),
    "compare": ("none",),
    "lost": ("--config-file", "none.yaml", "--output", "o"),
    "probe": (
        *("--json", "none.json", "--images", "none"),
        *("--source", "layer3", "--method", "clusters"),
    ),
    "tables": ("--rows", "none.yaml"),
}


def cpu_seconds(words: Sequence[str], code: int, folder: str) -> float:
    """Of ``zipseg`` with these words, user and system.

    Raises:
        RuntimeError: it ends with another exit code.
    """
    before = _of_children()
    command = [sys.executable, "-m", "zipseg", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise RuntimeError(f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return _of_children() - before


def _of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def rows(commands: Sequence[str], folder: str) -> list[list[str]]:
    """Command, help, typo and missing file, "-" for a command that reads no file."""
    found = []
    for name in commands:
        lines = [(["--help"], 0), (["--no-such-option"], 2)]
        if name in MISSING:
            lines.append((MISSING[name], 2))
        cells = [f"{cpu_seconds([name, *words], code, folder):.2f}" for words, code in lines]
        found.append([f"`{name}`", *cells, *["-"] * (3 - len(cells))])
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        head = ["CPU seconds", "`--help`", "a typo", "a missing file"]
        print(markdown(head, rows(list(COMMANDS), folder), numbers_from=1))
        dry = cpu_seconds(["tables", "--dry-run"], 0, folder)
        print(f"`zipseg tables --dry-run`: {dry:.2f} s of CPU time")
        assert not list(Path(folder).iterdir()), "something was written"


if __name__ == "__main__":
    main()
