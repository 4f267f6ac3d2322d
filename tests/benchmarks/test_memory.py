"""The peak is that of this process alone."""

import sys

import numpy as np
import pytest
from benchmarks.memory import in_its_own_process, peak_mib


def peaks() -> tuple[float, float]:
    """Of this process, before and after it needed 128 MiB more than ever before."""
    before = peak_mib()
    np.ones(round(before) * 2**20 // 8 + 2**24)
    return before, peak_mib()


def test_the_peak_stays_after_memory_is_given_back():
    before, after = in_its_own_process(peaks)
    assert after > before + 100


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage knows no better elsewhere")
def test_a_large_process_does_not_leave_its_peak_to_those_it_starts():
    large = np.ones(2**27)  # 1 GiB, far more than a fresh process needs
    assert 1 < in_its_own_process(peak_mib) < 900 < peak_mib()
    del large


def leave(why: str) -> None:
    sys.exit(why)


def test_a_process_that_gives_up_is_not_waited_for():
    with pytest.raises(SystemExit, match="no such config"):
        in_its_own_process(leave, "no such config")
