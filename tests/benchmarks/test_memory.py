"""The peak is that of this process alone."""

import multiprocessing
import sys

import numpy as np
import pytest
from benchmarks.memory import peak_mib


def test_the_peak_stays_after_memory_is_given_back():
    before = peak_mib()
    np.ones(round(before) * 2**20 // 8 + 2**24)  # 128 MiB more than ever before
    assert peak_mib() > before + 100


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage knows no better elsewhere")
def test_a_large_process_does_not_leave_its_peak_to_those_it_starts():
    large = np.ones(2**27)  # 1 GiB, far more than a fresh process needs
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert 1 < pool.apply(peak_mib) < 900 < peak_mib()
    del large
