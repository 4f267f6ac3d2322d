"""Whole files to columns: whatever the order of the lists, and wherever entries need mending."""

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.tools.odd_files import RESULTS, SIZE, TRUTH, edited, every, rectangle, rle, written

from zipseg.data.coco_format import (
    FormatError,
    check_masks,
    read_results,
    read_truth,
    rules,
    stream,
)


def annotations(count: int) -> list[dict]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        x, y, w, h = (int(v) for v in (*rng.integers(0, 20, 2), *rng.integers(4, 20, 2)))
        polygon = rectangle(x, y, w, h)
        mask = [[polygon], rle(polygon), None][number % 3]
        ids = {"id": number + 1, "image_id": int(rng.integers(1, 3)), "category_id": 1 + number % 2}
        box = {"bbox": [x, y, w, h], "area": w * h, "iscrowd": int(number % 11 == 0)}
        found.append({**ids, **box, "segmentation": mask})
    return found


def columns(truth) -> tuple:
    arrays = (truth.image, truth.category, truth.box, truth.area, truth.crowd)
    return *(array.tolist() for array in arrays), truth.rles, truth.masks.boxes().tolist()


@pytest.mark.parametrize("window", [64, 1000, 1 << 20])
@pytest.mark.parametrize("first", ["images", "annotations", "categories"])
def test_neither_the_order_of_the_lists_nor_mending_changes_the_rows(
    tmp_path, monkeypatch, warnings, first, window
):
    right = {**TRUTH, "annotations": annotations(100)}
    expected = columns(read_truth(written(tmp_path / "right.json", right)))
    warnings.clear()
    odd = edited(right, lambda t: [a.update(id=str(a["id"])) for a in t["annotations"][::9]])
    odd["annotations"][50]["iscrowd"] = bool(odd["annotations"][50]["iscrowd"])
    path = written(tmp_path / "odd.json", {first: odd.pop(first), **odd})
    monkeypatch.setattr(stream, "WINDOW", window)
    np.testing.assert_equal(columns(read_truth(path)), expected)
    (line,) = warnings
    assert "12 ids in text" in line
    assert "1 iscrowd that are no 0 or 1" in line


@pytest.mark.parametrize("window", [64, 1 << 20])
def test_the_first_entry_that_is_unusable_is_named(tmp_path, monkeypatch, window):
    monkeypatch.setattr(stream, "WINDOW", window)
    for one, other in (({"image_id": 9}, {"bbox": None}), ({"bbox": 3}, {"category_id": 9})):
        truth = {**TRUTH, "annotations": annotations(40)}
        truth["annotations"][17].update(one)
        truth["annotations"][18].update(other, segmentation=None)
        path = written(tmp_path / "truth.json", truth)
        with pytest.raises(FormatError, match=rf"annotations\[17\]: {next(iter(one))}"):
            read_truth(path)


def test_masks_of_another_size_are_found_whenever_the_sizes_are_known(tmp_path):
    wrong = {**rle(rectangle(1, 1, 5, 5)), "size": SIZE[::-1]}
    truth = edited(TRUTH, lambda t: t["annotations"][2].update(segmentation=wrong))
    path = written(tmp_path / "truth.json", {"annotations": truth.pop("annotations"), **truth})
    with pytest.raises(FormatError, match=r"annotations\[2\]: segmentation is RLE of size"):
        read_truth(path)


def test_a_pipe_is_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = json.dumps(every(TRUTH, area=None))
    writer = threading.Thread(target=lambda: path.write_text(content))
    writer.start()
    assert read_truth(path).area.tolist() == [300, 400, 225]
    writer.join()


def corners(entry: dict) -> list:
    x, y, w, h = entry["bbox"]
    return [x, y, x + w, y + h]


def changed_boxes(content, change):
    def edit(content):
        for entry in content if isinstance(content, list) else content["annotations"]:
            entry.pop("segmentation")
            entry["bbox"] = change(entry)

    return edited(content, edit)


BOXES = {
    "shares": (
        lambda e: [v / 64 for v in e["bbox"]],
        "3 of 3 boxes of {} without masks would fit as",
    ),
    "corners": (corners, "1 of 3 boxes of {} without masks reach out of their images; 1 would fit"),
    "far away": (lambda e: [900, 900, 5, 5], "3 of 3 boxes of {} without masks reach out of"),
    "points": (lambda e: [*e["bbox"][:2], 0, 0], "3 boxes without an area"),
}


@pytest.mark.parametrize("kind", BOXES)
def test_boxes_without_masks_that_cannot_be_meant_are_warned_of(tmp_path, warnings, kind):
    change, told = BOXES[kind]
    truth = read_truth(written(tmp_path / "right.json", TRUTH))
    read_results(written(tmp_path / "right_results.json", RESULTS), truth)
    assert not warnings
    read_truth(written(tmp_path / "truth.json", changed_boxes(TRUTH, change)))
    found = read_results(written(tmp_path / "r.json", changed_boxes(RESULTS, change)), truth)
    assert found.masks is None
    for line, what in zip(warnings, ("annotations", "results"), strict=True):
        assert told.format(what) in line


def test_what_the_reader_warns_of(tmp_path, warnings):
    path = tmp_path / "truth.json"
    same = edited(TRUTH, lambda t: t["images"][1].update(file_name="a.jpg"))
    truth = read_truth(written(path, same))
    assert "1 images of a file_name that another one has too" in warnings.pop()
    results = written(tmp_path / "results.json", [{**r, "score": 90.0} for r in RESULTS])
    check_masks(read_results(results, truth))
    assert "3 scores outside of 0 .. 1" in warnings.pop()
    spaced = edited(TRUTH, lambda t: t["categories"][1].update(name=" dog "))
    assert read_truth(written(path, spaced)).names == ("cat", "dog")
    assert "1 names of categories without the space around them" in warnings.pop()
    assert not warnings


def test_the_documentation_has_every_kind_in_the_words_of_the_warning():
    text = (Path(__file__).parents[3] / "docs" / "files.md").read_text()
    for kinds, start in ((rules.REPAIRS, "- mended: "), (rules.WARNINGS, "- ")):
        for told in kinds.values():
            assert f"{start}{told}\n" in text
    listed = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(listed) == len(rules.REPAIRS) + len(rules.WARNINGS)
