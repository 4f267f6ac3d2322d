"""Files larger than what is in memory of them at a time, and JSON of every shape."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipseg.data.coco_format import stream
from zipseg.data.coco_format.stream import Malformed, in_memory, sections
from zipseg.utils.errors import ZipSegError
from zipseg.utils.files import load_json

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**40) | text | st.floats(-5, 5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(text, st.lists(st.dictionaries(text, plain, max_size=3)) | plain)


def read(members):
    found = {}
    for key, value, entries in members:
        if entries is None:
            found[key] = value
            continue
        found[key] = []
        for batch in entries.batches():
            assert batch.first == len(found[key])
            found[key] += batch.plain()
    return found


@given(documents | st.lists(plain) | plain, st.sampled_from([None, 1]), st.integers(1, 80))
def test_any_document_is_read_whatever_the_window(tmp_path_factory, content, indent, window):
    path = tmp_path_factory.getbasetemp() / "document.json"
    path.write_text(json.dumps(content, indent=indent))
    expected = content if isinstance(content, dict) else {None: content}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "WINDOW", window)
        assert read(sections(path)) == expected
    assert read(in_memory(load_json(path))) == expected


def test_lists_that_nobody_asks_for_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "WINDOW", 64)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": [{"n": [{"m": n}, {"m": 0}]} for n in range(99)], "b": 7}))
    assert [(key, value) for key, value, _ in sections(path)] == [("a", None), ("b", 7)]


class Entry(msgspec.Struct):
    n: int


def test_batches_of_a_type_are_empty_where_one_entry_is_of_another(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "WINDOW", 64)
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"n": n if n != 50 else "fifty"} for n in range(100)]))
    (section,) = list(sections_with_batches(path, msgspec.json.Decoder(list[Entry])))
    good = [entry.n for batch in section for entry in batch.entries]
    assert set(range(100)) - set(good) >= {50}
    assert sum(len(batch.plain()) for batch in section) == 100
    assert len(good) > 80


def sections_with_batches(path, decoder):
    for _, _, entries in sections(path):
        yield list(entries.batches(decoder))


@pytest.mark.parametrize(
    "content",
    ['{"a": [{"b": NaN}]}', '{"a": "\\ud83d"}', "[" * 5000 + "]" * 5000, '[{"a": 1},]', "{", "",
     '{"a": 1} 2', '{"a" 1}', '[{"a": 1} {"a": 2}]', '{"a": [{"b": 1}', "\ufeff\ufeff[]"],
)  # fmt: skip
def test_what_strict_json_does_not_know(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(Malformed):
        read(sections(path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings(tmp_path, encoding):
    path = tmp_path / "x.json"
    path.write_text('{"a": "犬"}', encoding=encoding)
    assert read(in_memory(load_json(path))) == {"a": "犬"}


@pytest.mark.parametrize(
    ("content", "told"),
    [(b'{"a": "caf\xe9"}', "byte 10 is not UTF-8"), (b"{", "not a JSON file"),
     (b"[" * 100_000, "nested too deep")],
)  # fmt: skip
def test_what_is_no_json_is_told(tmp_path, content, told):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ZipSegError, match=f"x.json: not a JSON file .*{told}|{told}"):
        read(in_memory(load_json(path)))
