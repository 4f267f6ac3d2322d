"""Real processes, killed with SIGKILL at random points, against an uninterrupted run."""

import itertools
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.labeling.fakes import PixelHashModel, fake_config, fake_run, without_date, write_images
from tests.processes import SERVER

from zipseg.labeling.shards import decode
from zipseg.utils.errors import REQUEUE

IMAGES = 150


class SlowModel(PixelHashModel):
    """Long enough for a signal to come in the middle of an image."""

    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        time.sleep(self.seconds)
        return super().forward(batched_inputs)

    seconds = 0.004


def rank(images: Path, output: Path, number: int, slow: dict[int, float]) -> None:
    model = SlowModel(fake_config())
    model.seconds = slow.get(number, SlowModel.seconds)
    os._exit(fake_run(images, output, model))


def start(images: Path, output: Path, ranks: int, slow: dict[int, float] | None = None) -> list:
    processes = [
        SERVER.Process(target=rank, args=(images, output, i, slow or {})) for i in range(ranks)
    ]
    for process in processes:
        process.start()
    return processes


def done(output: Path) -> int:
    """Images with a result in the shards."""
    lines = (line for path in output.glob("run/shards/*") for line in path.open("rb"))
    return len({r["index"] for r in map(decode, lines) if r})


def begun(output: Path) -> int:
    """Ranks with a result."""
    return sum(b"\n" in path.read_bytes() for path in output.glob("run/shards/*"))


def wait_for(output: Path, count: int) -> None:
    deadline = time.monotonic() + 300
    while done(output) < count and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_images(folder, IMAGES)
    (folder / "00007.png").write_bytes(b"not an image")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(images, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("uninterrupted")
    assert fake_run(images, output, SlowModel(fake_config())) == 0
    return output


def assert_same(output: Path, uninterrupted: Path) -> None:
    assert without_date(output / "labels.json") == without_date(uninterrupted / "labels.json")
    assert (output / "failures.json").read_bytes() == (uninterrupted / "failures.json").read_bytes()


@pytest.mark.parametrize("seed", range(2))
def test_kills_at_random_points_leave_the_same_bytes(seed, images, uninterrupted, tmp_path):
    """At least eight kills in each of three runs, of one rank or of all; every restart has another
    number of ranks, 1 to 3."""
    chance = random.Random(seed)
    numbers = itertools.cycle(chance.sample((1, 2, 3), 3))
    kills = 0
    while kills < 8:
        processes = start(images, tmp_path, next(numbers))
        before = done(tmp_path)
        wait_for(tmp_path, min(before + chance.randint(0, 12), IMAGES - 10))
        time.sleep(chance.uniform(0, 0.02))
        victims = chance.choice((processes, processes[:1]))
        for process in victims:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
        for process in processes:
            if process not in victims:
                os.kill(process.pid, signal.SIGTERM)
            process.join()
        assert done(tmp_path) < IMAGES
    processes = start(images, tmp_path, next(numbers))
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert_same(tmp_path, uninterrupted)
    shards = list(tmp_path.glob("run/shards/*"))
    results = sum(len(path.read_bytes().splitlines()) for path in shards)
    # A kill loses at most the image in flight: no image is labelled twice but for a torn record
    # or one that was appended and not yet marked.
    assert results <= IMAGES + kills


def test_the_others_take_over_the_image_of_a_killed_rank(images, uninterrupted, tmp_path):
    first, second = start(images, tmp_path, 2)
    wait_for(tmp_path, 20)
    os.kill(first.pid, signal.SIGKILL)
    second.join()
    assert second.exitcode == 0
    assert_same(tmp_path, uninterrupted)


def test_sigterm_finishes_the_image_and_asks_for_requeueing(images, uninterrupted, tmp_path):
    processes = start(images, tmp_path, 2, slow={0: 0.3, 1: 0.3})
    while begun(tmp_path) < 2:  # before, a rank may not yet listen to signals
        time.sleep(0.005)
    for process in processes:
        os.kill(process.pid, signal.SIGTERM)
    for process in processes:
        process.join()
        assert process.exitcode == REQUEUE
    assert done(tmp_path) < IMAGES
    lines = [line for path in tmp_path.glob("run/shards/*") for line in path.open("rb")]
    assert all(decode(line) for line in lines)
    assert not (tmp_path / "labels.json").exists()
    assert fake_run(images, tmp_path, SlowModel(fake_config())) == 0
    assert_same(tmp_path, uninterrupted)


def test_a_slow_rank_does_not_hold_up_the_rest(images, uninterrupted, tmp_path):
    processes = start(images, tmp_path, 3, slow={2: 1.0})
    for process in processes:
        process.join()
    shards = [path.read_bytes().count(b"\n") for path in tmp_path.glob("run/shards/*")]
    assert sum(shards) == IMAGES
    slowest = min(shards) if len(shards) == 3 else 0  # none: the work was done before it began
    assert slowest < IMAGES / 6  # a third each would take the slow one 50 s
    assert_same(tmp_path, uninterrupted)


def test_a_started_again_complete_run_changes_nothing(images, tmp_path):
    assert fake_run(images, tmp_path) == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert len(before) == 3
    assert fake_run(images, tmp_path) == 0
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}


def test_an_interrupted_merge_is_made_up_for(images, uninterrupted, tmp_path):
    assert fake_run(images, tmp_path, SlowModel(fake_config())) == 0
    (tmp_path / "summary.json").unlink()  # written last
    (tmp_path / "labels.json").write_text("half a fi")
    assert fake_run(images, tmp_path, SlowModel(fake_config())) == 0
    assert_same(tmp_path, uninterrupted)
    assert json.loads((tmp_path / "summary.json").read_text())["failures"] == 1
