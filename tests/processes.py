"""Real processes that fork from one that has everything imported, so that each takes milliseconds.

A test run has one such server, whatever module asks for it first; what it imports stands here.
"""

import multiprocessing
import os
from multiprocessing.process import BaseProcess
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "tests.labeling.fakes",
        "tests.self_training.faked",
        "zipseg.cli.main",
        "zipseg.engine.main",
        "zipseg.labeling.distributed",
        "zipseg.self_training.report",
        "zipseg.zipworld",
    ]
)


def command(words: list[str], log: Path, **environment: str) -> BaseProcess:
    """``zipseg WORDS`` in a process of its own, which writes to the end of ``log``."""
    process = SERVER.Process(target=run_command, args=(words, log, environment))
    process.start()
    return process


def run_command(words: list[str], log: Path, environment: dict[str, str]) -> None:
    """What such a process does."""
    from zipseg.cli.main import main

    os.environ.update(environment)
    with log.open("a") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    raise SystemExit(main(words))
