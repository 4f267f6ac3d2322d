"""Shards: what a crash may leave behind is dropped, everything else is read back."""

import json
import multiprocessing
import resource
import signal
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zipseg.labeling.errors import CannotWrite
from zipseg.labeling.shards import ShardWriter, decode, encode, index_shards

results = st.builds(
    lambda index, name, score: {
        "index": index,
        "image": {"id": index, "file_name": name},
        "annotations": [{"score": score}],
    },
    st.integers(0, 19),
    st.text(max_size=20),
    st.floats(0, 1),
)
failures = st.builds(
    lambda index, why: {"index": index, "failure": why}, st.integers(0, 19), st.text()
)
records = st.one_of(results, failures)


def sealed(content: object) -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


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


MALFORMED = {
    "empty line": b"\n",
    "no checksum": b'{"index": 0}\n',
    "binary": bytes(range(256)).replace(b"\n", b"") + b"\n",
    "wrong checksum": b'00000000 {"index":0,"failure":"x"}\n',
    "not JSON": sealed(b"{"),
    "a list": sealed([]),
    "no index": sealed({"failure": "x"}),
    "index a float": sealed({"index": 0.0, "failure": "x"}),
    "index a bool": sealed({"index": True, "failure": "x"}),
    "neither result nor failure": sealed({"index": 0}),
    "annotations not a list": sealed({"index": 0, "image": {}, "annotations": 3}),
    "failure not a text": sealed({"index": 0, "failure": None}),
    "index too large": sealed({"index": 9, "failure": "x"}),
    "index negative": sealed({"index": -1, "failure": "x"}),
    "torn": sealed({"index": 0, "failure": "x"})[:-4],
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_lines_are_dropped_and_counted(kind, tmp_path):
    good = encode({"index": 1, "image": {"id": 1}, "annotations": []})
    tail = b"" if kind == "torn" else good
    (tmp_path / "00000.jsonl").write_bytes(good + MALFORMED[kind] + tail)
    index = index_shards(tmp_path, 3)
    assert index.damaged == 1
    assert index.states() == b".d."
    assert [r["index"] for r in index.records()] == [1]


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
        writer.write({"index": i, "failure": "x"})
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
    for i in range(8):  # of 115 bytes each
        writer.write({"index": i, "failure": "x" * 80})
    with pytest.raises(CannotWrite, match="start the same command again"):
        writer.write({"index": 8, "failure": "x" * 80})


def test_a_full_disk_keeps_the_whole_records(tmp_path):
    child = multiprocessing.get_context("fork").Process(target=_fill, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == 0
    index = index_shards(tmp_path, 20)
    assert index.damaged == 0
    assert len(list(index.records())) == 8
