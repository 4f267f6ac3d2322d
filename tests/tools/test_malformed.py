"""Malformed inputs of every kind through the commands: one line each, exit code 2, no traceback."""

import pytest
from tests.labeling.corpus import ANNOTATION_FILES, GOOD
from tests.tools.odd_files import RESULTS, TRUTH, edited, every, scored, written
from tests.tools.test_users_files import refusal
from tools import evaluate, filter_pseudo_labels, make_label_splits, merge_pseudo_labels
from tools import report as report_tool

from zipseg.data.names import NamesError, read_names


def one(**fields):
    """The results with fields of the second one changed; ``...`` removes one."""
    changed = every([RESULTS[1]], **fields)
    return [RESULTS[0], *changed, RESULTS[2]]


def mask(**fields):
    return one(segmentation={**RESULTS[1]["segmentation"], **fields})


RESULT_FILES = {
    "empty": ("", "not a JSON file"),
    "torn": ('[{"image_id": 1', "not a JSON file"),
    "Latin-1": (b'[{"name": "caf\xe9"}]', "not UTF-8"),
    "nested too deep": ("[" * 100_000, "nested too deep"),
    "a number": ("3", "not a COCO-format file"),
    "a text": ('"results"', "not a COCO-format file"),
    "null": ("null", "not a COCO-format file"),
    "an object of anything": ({"images": 3}, 'has no list "images"'),
    "an object by image": ({"1": RESULTS}, 'has no list "images"'),
    "the truth": (TRUTH, "annotations[0]: has no score"),
    "a list of lists": ([RESULTS], "result 0 is not an object"),
    "a list of texts": (["a"], "result 0 is not an object"),
    "one is null": ([*RESULTS, None], "result 3 is not an object"),
    "no image": (one(image_id=...), "result 1: has no image_id"),
    "image null": (one(image_id=None), "result 1: has no image_id"),
    "image a name": (one(image_id="b.jpg"), "result 1: image_id 'b.jpg' is no whole number"),
    "image a list": (one(image_id=[2]), "result 1: image_id [2] is no whole number"),
    "image a fraction": (one(image_id=2.5), "result 1: image_id 2.5 is no whole number"),
    "image beyond 64 bits": (one(image_id=2**70), "result 1: image_id"),
    "image unlisted": (one(image_id=3), "result 1: image_id 3 is not among"),
    "no category": (one(category_id=...), "result 1: has no category_id"),
    "category a name": (one(category_id="dog"), "result 1: category_id 'dog'"),
    "category true": (one(category_id=True), "result 1: category_id True"),
    "category from 0": (one(category_id=0), "result 1: category_id 0 is not among"),
    "no score": (one(score=...), "result 1: has no score"),
    "score null": (one(score=None), "result 1: has no score"),
    "score a text": (one(score="0.9"), "result 1: score '0.9'"),
    "score a list": (one(score=[0.9]), "result 1: score [0.9]"),
    "score NaN": (one(score=float("nan")), "result 1: score nan"),
    "score infinite": (one(score=float("inf")), "result 1: score inf"),
    "score true": (one(score=True), "result 1: score True"),
    "box of three": (one(bbox=[1, 2, 3]), "result 1: bbox [1, 2, 3], not four"),
    "box of five": (one(bbox=[1, 2, 3, 4, 5]), "not four numbers"),
    "box of texts": (one(bbox=["1", "2", "3", "4"]), "not four numbers"),
    "box an object": (one(bbox={"x": 1}), "not four numbers"),
    "box NaN": (one(bbox=[1, 2, float("nan"), 4]), "not four numbers"),
    "box infinite": (one(bbox=[1, 2, float("inf"), 4]), "not four numbers"),
    "box negative": (one(bbox=[9, 9, -4, 4]), "has a negative size"),
    "neither": (one(bbox=..., segmentation=...), "neither bbox nor segmentation"),
    "mask a text": (one(segmentation="e7?Q1"), "neither polygons nor RLE"),
    "mask a number": (one(segmentation=3), "neither polygons nor RLE"),
    "mask without size": (one(segmentation={"counts": "0"}), "RLE of size None"),
    "mask of width, height": (mask(size=[64, 48]), "RLE of size [64, 48]"),
    "mask without counts": (mask(counts=None), "RLE without counts"),
    "mask of negative runs": (mask(counts=[-1, 3073]), "not whole numbers"),
    "mask of fractions": (mask(counts=[0.5, 3071.5]), "not whole numbers"),
    "mask too short": (mask(counts=[3, 4]), "damaged RLE"),
    "mask damaged": (mask(counts="0P2o0"), "result 1: segmentation is damaged RLE"),
    "mask not ASCII": (mask(counts="é"), "damaged RLE"),
    "mask empty": (mask(counts=""), "damaged RLE"),
    "polygon odd": (one(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "x, y, x, y"),
    "polygon of texts": (one(segmentation=[["1", "2"] * 3]), "x, y, x, y"),
    "polygon too deep": (one(segmentation=[[[[1, 2]]]]), "x, y, x, y"),
    "polygon far away": (one(segmentation=[[0, 0, 1e9, 0, 1e9, 9]]), "far outside"),
}


@pytest.mark.parametrize("kind", RESULT_FILES)
def test_results(kind, tmp_path, capsys):
    content, told = RESULT_FILES[kind]
    truth = written(tmp_path / "truth.json", TRUTH)
    path = written(tmp_path / "results.json", content)
    line = refusal(evaluate, [truth, path, "--output", tmp_path / "out"], capsys)
    assert line.startswith(f"error: {path}: ")
    assert told.replace("bbox [1, 2, 3], not", "bbox is [1, 2, 3], not") in line
    assert not (tmp_path / "out" / "evaluation.json").exists()


@pytest.mark.parametrize("kind", ANNOTATION_FILES)
def test_annotation_files(kind, tmp_path, capsys):
    """Through every command that reads some, as truth and as labels."""
    path = written(tmp_path / "odd.json", ANNOTATION_FILES[kind][0])
    good = written(tmp_path / "good.json", scored(GOOD))
    results = written(tmp_path / "results.json", [])
    out = tmp_path / "out"
    calls = [
        (evaluate, [path, results, "--output", out]),
        (make_label_splits, [path, "--output", out]),
        (filter_pseudo_labels, [path, out]),
        (merge_pseudo_labels, [path, good, out]),
        (merge_pseudo_labels, [good, path, out]),
        (report_tool, [tmp_path, "--labels", path]),
        (report_tool, [tmp_path, "--labels", good, "--truth", path]),
    ]
    for tool, call in calls:
        if kind in NOT_LOOKED_AT and tool in (evaluate, make_label_splits):
            continue
        assert f"{path}: " in refusal(tool, call, capsys)
    assert not out.exists()


# By truths and splits: names of files and scores of labels.
NOT_LOOKED_AT = {"no file name", "score a text", "score beyond floats", "score infinite"}

NAMES = {
    "missing.txt": (None, "no such file"),
    "missing.yaml": (None, "no such file"),
    "missing.json": (None, "no such file"),
    "empty.txt": (b"", "holds no names"),
    "comment.txt": (b"# cat\n", "holds no names"),
    "twice.txt": (b"cat\ndog\ncat\n", "more than once: cat"),
    "latin.txt": (b"chat\ncaf\xe9\n", "line 2"),
    "torn_utf16.txt": (b"\xff\xfe\x00", "UTF-8"),
    "no_names.yaml": (b"nc: 2\ntrain: images\n", "has no list of 'names'"),
    "text.yaml": (b"cat", "has no list of 'names'"),
    "broken.yaml": (b"names: [cat", "cannot be read as YAML"),
    "code.yaml": (b"names: !!python/object/apply:os.getcwd []", "cannot be read as YAML"),
    "objects.yaml": (b"names: [{a: 1}]", "has no list of 'names'"),
    "keys.yaml": (b"names: {a: cat}", "are not all whole numbers"),
    "empty.yaml": (b"names: []", "holds no names"),
    "broken.json": (b"{", "not a JSON file"),
    "number.json": (b"3", "holds no names"),
    "nothing.json": (b"{}", "holds no names"),
    "numbers.json": (b"[1, 2]", "are text"),
    "no_category_names.json": (b'{"categories": [{"id": 1}]}', "are text"),
    "empty.json": (b'{"categories": []}', "holds no names"),
}


@pytest.mark.parametrize("name", NAMES)
def test_lists_of_names(name, tmp_path):
    content, told = NAMES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NamesError) as caught:
        read_names(str(tmp_path / name))
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_corpus_is_large():
    assert len(RESULT_FILES) + len(ANNOTATION_FILES) + len(NAMES) >= 120


def test_the_files_that_are_changed_are_right(tmp_path, capsys):
    truth = written(tmp_path / "truth.json", TRUTH)
    for number, results in enumerate((RESULTS, scored(TRUTH), edited(RESULTS, list.clear))):
        path = written(tmp_path / f"{number}.json", results)
        evaluate.main([str(x) for x in (truth, path, "--output", tmp_path / "out")])
    assert "error" not in capsys.readouterr().err
