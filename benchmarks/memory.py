"""Peak memory of this process, and processes of their own to measure it in."""

import multiprocessing
import re
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """The most physical memory that this process has held so far, in MiB.

    On Linux the kernel's high-water mark (``VmHWM``, proc(5)) of the running program alone: what
    getrusage(2) tells there starts at the size of the process that forked this one.
    """
    if sys.platform == "linux":
        found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def in_its_own_process(function: Callable, *arguments: object) -> object:
    """What a function of a module returns, called in a fresh process, which ends with it.

    Raises:
        BaseException: what the function raised, ``SystemExit`` as well.
        concurrent.futures.process.BrokenProcessPool: the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()
