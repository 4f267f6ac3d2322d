"""Shards: what a crash may leave behind is passed over, everything else is read back."""

import multiprocessing
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zipseg.labeling.shards import ShardWriter, decode, encode, index_shards
from zipseg.utils.errors import CannotWrite

results = st.builds(
    lambda index, name, score: {
        "index": index,
        "image": {"id": index, "file_name": name},
        "annotations": [{"category_id": 1, "score": score}],
        "time": score,
    },
    st.integers(0, 19),
    st.text(max_size=20),
    st.floats(0, 1),
)


def failure(index: int, why: str = "x") -> dict:
    image = {"id": index, "file_name": "a.png"}
    return {"index": index, "image": image, "failure": why, "time": 0.5}


failures = st.builds(failure, st.integers(0, 19), st.text())
records = st.one_of(results, failures)


@given(records)
def test_records_survive(record):
    line = encode(record)
    assert line.count(b"\n") == 1
    assert decode(line) == record


@given(records, st.data())
def test_no_torn_or_damaged_line_passes(record, data):
    line = encode(record)
    assert decode(line[: data.draw(st.integers(0, len(line) - 1))]) is None
    place = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda x: x != line[place]))
    damaged = decode(line[:place] + bytes([other]) + line[place + 1 :])
    assert damaged is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), records)))
def test_index_finds_the_last_result_and_prefers_labels(tmp_path_factory, writes):
    folder = tmp_path_factory.mktemp("shards")
    shards: dict[int, bytes] = {}
    for shard, record in writes:
        shards[shard] = shards.get(shard, b"") + encode(record)
    for shard, content in shards.items():
        (folder / f"{shard:05d}.jsonl").write_bytes(content)
    expected: dict[int, dict] = {}
    for _, record in sorted(writes, key=lambda x: x[0]):
        old = expected.get(record["index"])
        if old is None or "failure" in old or "failure" not in record:
            expected[record["index"]] = record
    index = index_shards(folder, 20)
    assert list(index.records()) == [expected[i] for i in sorted(expected)]
    assert np.flatnonzero(index.failed).tolist() == [
        i for i in sorted(expected) if "failure" in expected[i]
    ]


def test_every_writer_has_its_own_shard(tmp_path):
    writers = [ShardWriter(tmp_path) for _ in range(3)]
    for i, writer in enumerate(writers):
        writer.write(failure(i))
    ShardWriter(tmp_path).close()  # without a record, no file
    for writer in writers:
        writer.close()
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "00000.jsonl",
        "00001.jsonl",
        "00002.jsonl",
    ]


def test_numbers_that_json_lacks_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        encode({"index": 0, "image": {}, "annotations": [{"score": float("nan")}]})


def _fill(folder: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    writer = ShardWriter(folder)
    for i in range(8):
        writer.write(failure(i, "x" * 30))
    with pytest.raises(CannotWrite, match="start the same command again"):
        writer.write(failure(8, "x" * 30))


def test_a_full_disk_keeps_the_whole_records(tmp_path):
    child = multiprocessing.get_context("fork").Process(target=_fill, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == 0
    index = index_shards(tmp_path, 20)
    assert index.damaged == 0
    assert len(list(index.records())) == 8
