"""Malformed inputs through the command lines: each has its message, none ends in a traceback."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.labeling import corpus
from tests.labeling.fakes import arguments, fake_run, without_date, write_images
from tools import filter_pseudo_labels, generate_pseudo_labels
from tools import report as report_tool

from zipseg.data.coco_format import read_labels, write_labels
from zipseg.labeling.errors import LabelingError
from zipseg.labeling.filters import Selection, balance, balance_table, select
from zipseg.utils.errors import ZipSegError
from zipseg.visualization.report import write_report


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_images(folder / "images", 2)
    (folder / "names.txt").write_text("red star\nblue circle\ngreen square\n")
    return folder


def test_the_corpus_is_large():
    assert len(corpus.IMAGES) >= 15
    assert len(corpus.ANNOTATION_FILES) >= 50
    assert len(corpus.NAME_LISTS) >= 8
    assert len(corpus.SHARD_LINES) >= 20
    assert len(corpus.CONFIG_FILES) + len(corpus.CALLS) + len(corpus.WEIGHTS) >= 18


def explained(tool, call: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        tool.main(call)
    assert caught.value.code == LabelingError.exit_code
    message = capsys.readouterr().err
    assert message.startswith(("error: ", "zipseg label: "))
    return message


def write(path: Path, content: object) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize("kind", corpus.ANNOTATION_FILES)
def test_annotation_files(kind, tmp_path, capsys):
    content, reason = corpus.ANNOTATION_FILES[kind]
    path = tmp_path / "labels.json"
    write(path, content)
    with pytest.raises(ZipSegError, match=reason):
        read_labels(path)
    assert str(path) in explained(filter_pseudo_labels, [str(path), str(tmp_path / "x")], capsys)
    assert not (tmp_path / "x").exists()
    good = tmp_path / "good"
    good.mkdir()
    write(good / "labels.json", corpus.GOOD)
    for call in (
        [str(tmp_path)],
        [str(good), "--labels", str(path)],
        [str(good), "--truth", str(path)],
    ):
        assert str(path) in explained(report_tool, call, capsys)


def test_missing_annotation_files(tmp_path, capsys):
    for file, reason in (("none.json", "no such file"), (str(tmp_path), "a folder")):
        message = explained(filter_pseudo_labels, [file, "x.json"], capsys)
        assert f"{file}: {reason}; expected a COCO-format file" in message
    assert "labels.json: no such file; expected" in explained(report_tool, [str(tmp_path)], capsys)


@pytest.mark.parametrize("kind", corpus.RUN_FILES)
def test_files_of_a_run(kind, tmp_path, capsys):
    name, content, reason = corpus.RUN_FILES[kind]
    write(tmp_path / "labels.json", corpus.GOOD)
    write(tmp_path / name, content)
    assert f"{name}: {reason}" in explained(report_tool, [str(tmp_path)], capsys)


@pytest.mark.parametrize("info", corpus.ODD_INFO)
def test_the_report_goes_without_odd_provenance(info, tmp_path):
    write(tmp_path / "labels.json", {**corpus.GOOD, "info": info})
    assert "Pseudo-labels" in write_report(tmp_path).read_text()


@pytest.mark.parametrize("kind", corpus.NAME_LISTS)
def test_name_lists(kind, folder, tmp_path, capsys):
    content, reason = corpus.NAME_LISTS[kind]
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    call = [*arguments(folder, tmp_path / "out"), "--names", str(path)]
    message = explained(generate_pseudo_labels, call, capsys)
    assert reason in message
    assert str(path) in message


@pytest.mark.parametrize("kind", corpus.CALLS)
def test_calls(kind, folder, tmp_path, capsys):
    more, reason = corpus.CALLS[kind]
    message = explained(generate_pseudo_labels, [*arguments(folder, tmp_path), *more], capsys)
    assert reason in message


@pytest.mark.parametrize("kind", corpus.CONFIG_FILES)
def test_config_files(kind, folder, tmp_path, capsys):
    text, reason = corpus.CONFIG_FILES[kind]
    path = tmp_path / "config.yaml"
    path.write_bytes(text)
    call = [*arguments(folder, tmp_path / "out"), "--config-file", str(path)]
    assert reason in explained(generate_pseudo_labels, call, capsys)


@pytest.mark.parametrize("kind", corpus.WEIGHTS)
def test_weights(kind, folder, tmp_path, capsys):
    path = tmp_path / "model.pth"
    path.write_bytes(corpus.WEIGHTS[kind])
    call = [*arguments(folder, tmp_path / "out"), "MODEL.WEIGHTS", str(path)]
    assert f"MODEL.WEIGHTS: {path}" in explained(generate_pseudo_labels, call, capsys)


def test_shards(tmp_path):
    """Every malformed line is passed over, counted, and its image labelled again."""
    images, output = tmp_path / "images", tmp_path / "out"
    write_images(images, 6)
    assert fake_run(images, output) == 0
    before = without_date(output / "labels.json")
    shards = output / "run" / "shards"
    for kind, line in corpus.SHARD_LINES.items():  # each a file, that one torn ends no other's line
        (shards / f"9{kind}.jsonl").write_bytes(line)
    (shards / "empty.jsonl").write_bytes(b"")
    assert fake_run(images, output) == 0
    assert without_date(output / "labels.json") == before
    summary = json.loads((output / "summary.json").read_text())
    assert summary["damaged_shard_lines"] == len(corpus.SHARD_LINES)


@settings(max_examples=300)
@given(st.sampled_from(corpus.PLACES), corpus.VALUES)
def test_whatever_a_field_holds_it_is_read_or_named(tmp_path_factory, place, value):
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    path = folder / "labels.json"
    path.write_text(json.dumps(corpus.changed(place, value)))
    try:
        labels = read_labels(path)
    except ZipSegError as error:
        if str(path) in str(error):
            return
        raise
    selected = select(labels, Selection(max_overlap=0.5, per_image=1, per_category=1))
    assert balance_table(balance(labels), balance(selected))
    write_labels(folder / "again.json", labels)
    again = read_labels(folder / "again.json")
    assert json.dumps(again, sort_keys=True) == json.dumps(labels, sort_keys=True)
    write_report(folder, truth=path)
