"""Division of images: each to one process, and nothing is lost with a process."""

import multiprocessing
import os
import signal
import time

import pytest

from zipseg.labeling.work import DONE, FAILED, Counts, Work
from zipseg.utils.errors import CannotWrite

FORK = multiprocessing.get_context("fork")


def states(count: int) -> bytes:
    return b"." * count


def take_all(path, count: int, queue) -> None:
    work = Work(path)
    work.join(lambda: states(count))
    while (index := work.claim()) is not None:
        queue.put((os.getpid(), index))
        work.finish(index, DONE)
    queue.put((os.getpid(), None))


def hold_one(path, queue) -> None:
    work = Work(path)
    work.join(lambda: states(4))
    queue.put(work.claim())
    time.sleep(60)


def test_each_image_goes_to_one_process(tmp_path):
    queue = FORK.Queue()
    path = tmp_path / "work"
    keeper = Work(path)  # the run exists before and after the others
    keeper.join(lambda: states(500))
    processes = [FORK.Process(target=take_all, args=(path, 500, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    taken, ends = [], 0
    while ends < 3:
        _, index = queue.get(timeout=300)
        ends += index is None
        taken += [] if index is None else [index]
    for process in processes:
        process.join()
    assert sorted(taken) == list(range(500))
    assert keeper.counts() == Counts(0, 500, 0)
    assert keeper.leave()


def test_a_killed_process_gives_its_image_back(tmp_path):
    queue = FORK.Queue()
    path = tmp_path / "work"
    other = FORK.Process(target=hold_one, args=(path, queue))
    other.start()
    assert queue.get(timeout=300) == 0
    work = Work(path)
    work.join(lambda: pytest.fail("the run exists"))
    assert [work.claim() for _ in range(4)] == [1, 2, 3, None]
    assert not work.leave()
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    assert work.leave()
    assert work.claim() == 0


def test_states_are_counted_and_kept(tmp_path):
    work = Work(tmp_path / "work")
    work.join(lambda: b".df..")
    assert work.counts() == Counts(open=3, done=1, failed=1)
    assert work.claim() == 0
    work.finish(0, FAILED)
    assert work.claim() == 3
    work.release(3)
    assert work.counts() == Counts(open=2, done=1, failed=2)
    assert work.counts().total == 5


def test_a_first_process_forgets_what_the_file_held(tmp_path):
    (tmp_path / "work").write_bytes(b"-ddddddddd")
    work = Work(tmp_path / "work")
    work.join(lambda: b"..")
    assert work.counts() == Counts(2, 0, 0)


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="file/work"):
        Work(tmp_path / "file" / "work")
