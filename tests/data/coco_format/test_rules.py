"""Each kind of repair with its count, each kind of refusal with its entry and field."""

import copy
import json
import logging
import re

import numpy as np
import pytest
from pycocotools import mask as mask_util

from zipseg.data.coco_format import (
    FormatError,
    NoAnnotations,
    check_masks,
    read_entries,
    read_labels,
    read_results,
    read_truth,
)
from zipseg.utils.errors import ZipSegError

SQUARE = [5, 5, 25, 5, 25, 20, 5, 20]
RLE = mask_util.merge(mask_util.frPyObjects([SQUARE], 48, 64))["counts"].decode()
TRUTH = {
    "images": [
        {"id": 1, "file_name": "a.jpg", "height": 48, "width": 64},
        {"id": 2, "file_name": "b.jpg", "height": 48, "width": 64},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {
            "id": n,
            "image_id": n,
            "category_id": n,
            "bbox": [5, 5, 20, 15],
            "area": 300,
            "iscrowd": 0,
            "segmentation": [SQUARE],
        }
        for n in (1, 2)
    ],
}
RESULTS = [
    {
        "image_id": n,
        "category_id": n,
        "score": 0.9,
        "bbox": [5, 5, 20, 15],
        "segmentation": {"size": [48, 64], "counts": RLE},
    }
    for n in (1, 2)
]


def with_fields(content, **fields):
    """The content with fields of its first annotation or result changed; ``...`` removes one."""
    content = copy.deepcopy(content)
    entry = (content if isinstance(content, list) else content["annotations"])[0]
    entry.update(fields)
    for key in [key for key, value in fields.items() if value is ...]:
        del entry[key]
    return content


def written(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def truth(tmp_path):
    return read_truth(written(tmp_path / "truth.json", TRUTH))


REPAIRED = {
    "area null": ({"area": None}, "1 areas missing"),
    "area missing": ({"area": ...}, "1 areas missing"),
    "iscrowd missing": ({"iscrowd": ...}, "1 times no iscrowd"),
    "iscrowd null": ({"iscrowd": None}, "1 times no iscrowd"),
    "iscrowd false": ({"iscrowd": False}, "1 iscrowd that are no 0 or 1"),
    "iscrowd text": ({"iscrowd": "0"}, "1 iscrowd that are no 0 or 1"),
    "image id in text": ({"image_id": "1"}, "1 ids in text or decimals"),
    "category id a decimal": ({"category_id": 1.0}, "1 ids in text or decimals|^$"),
    "all ids in text": ({"id": "01", "image_id": "1.", "category_id": "+1"}, "3 ids in text"),
    "no id": ({"id": ...}, "1 annotations without an id"),
    "box missing": ({"bbox": ...}, "1 boxes missing or empty"),
    "box null": ({"bbox": None}, "1 boxes missing or empty"),
    "box empty": ({"bbox": []}, "1 boxes missing or empty"),
    "two-point part": ({"segmentation": [SQUARE, [1, 1, 9, 9]]}, "1 polygon parts of less"),
    "empty part": ({"segmentation": [[], SQUARE, []]}, "2 polygon parts of less"),
    "flat polygon": ({"segmentation": SQUARE}, "1 polygons not in a list of parts"),
    "points": ({"segmentation": [[5, 5], [25, 5], [25, 20], [5, 20]]}, "1 polygons not in a list"),
    "nothing but a two-point part": ({"segmentation": [[5, 5, 9, 9]]}, "1 objects without a mask"),
}


@pytest.mark.parametrize("kind", REPAIRED)
def test_what_is_mended_is_counted_in_one_line(kind, tmp_path, caplog):
    fields, told = REPAIRED[kind]
    caplog.set_level(logging.WARNING)
    found = read_truth(written(tmp_path / "truth.json", with_fields(TRUTH, **fields)))
    np.testing.assert_array_equal(found.box, [[5, 5, 20, 15]] * 2)
    np.testing.assert_array_equal(found.area, [300, 300])
    assert not found.crowd.any()
    assert found.image.tolist() == found.category.tolist() == [1, 2]
    assert len(found.rles) == 2
    told_of = [record.getMessage() for record in caplog.records]
    assert len(told_of) <= 1
    assert re.search(told, "".join(told_of)), told_of


def test_a_right_file_is_read_without_a_word(tmp_path, truth, caplog):
    check_masks(read_results(written(tmp_path / "results.json", RESULTS), truth))
    assert not caplog.records


RESULT_REPAIRS = {
    "polygons": ({"segmentation": [SQUARE]}, "1 results with polygons"),
    "flat polygon": ({"segmentation": SQUARE}, "1 polygons not in a list of parts"),
    "uncompressed RLE": (
        {"segmentation": {"size": [48, 64], "counts": [245, *([15, 33] * 19), 15, 1900]}},
        "1 results with uncompressed RLE",
    ),
    "id in text": ({"image_id": "1"}, "1 ids in text"),
    "box null": ({"bbox": None}, ""),
    "box missing": ({"bbox": ...}, ""),
    "no mask among masks": ({"segmentation": ...}, "1 objects without a mask among"),
}


@pytest.mark.parametrize("kind", RESULT_REPAIRS)
def test_results_are_mended_too(kind, tmp_path, truth, caplog):
    fields, told = RESULT_REPAIRS[kind]
    path = written(tmp_path / "results.json", with_fields(RESULTS, **fields))
    found = read_results(path, truth)
    check_masks(found)
    assert [found.masks[n]["counts"] for n in (0, 1)] == [RLE, RLE]
    np.testing.assert_array_equal(found.box, [[5, 5, 20, 15]] * 2)
    assert told in "".join(record.getMessage() for record in caplog.records)


REFUSED = {
    "negative width": ({"bbox": [5, 5, -20, 15]}, r"annotations\[0\]: bbox .*negative size"),
    "NaN": ({"bbox": [5, 5, float("nan"), 15]}, r"annotations\[0\]: bbox .*not four numbers"),
    "negative area": ({"area": -3}, r"annotations\[0\]: area is -3"),
    "area NaN": ({"area": float("nan")}, r"annotations\[0\]: area is nan"),
    "area in text": ({"area": "300"}, r"annotations\[0\]: area is '300'"),
    "neither box nor mask": ({"bbox": ..., "segmentation": ...}, "neither bbox nor segmentation"),
    "mask of another size": (
        {"segmentation": {"size": [96, 128], "counts": RLE}},
        r"annotations\[0\]: segmentation is RLE of size \[96, 128\].*\[48, 64\]",
    ),
    "damaged mask": (
        {"segmentation": {"size": [48, 64], "counts": RLE[:-2]}},
        r"annotations\[0\]: segmentation is damaged RLE",
    ),
    "id a word": ({"image_id": "img_a"}, r"annotations\[0\]: image_id 'img_a' is no whole number"),
    "id a fraction": ({"image_id": 1.5}, r"annotations\[0\]: image_id 1.5 is no whole number"),
    "id true": ({"category_id": True}, r"annotations\[0\]: category_id True is no whole"),
    "no category": ({"category_id": ...}, r"annotations\[0\]: has no category_id"),
    "unlisted image": ({"image_id": 9}, r"annotations\[0\]: image_id 9 is not among the images"),
    "unlisted category": ({"category_id": 9}, r"category_id 9 is not among the categories"),
    "iscrowd 2": ({"iscrowd": 2}, r"annotations\[0\]: iscrowd is 2, neither 0 nor 1"),
    "id used twice": ({"id": 2}, r"annotations\[1\]: id 2 is used twice"),
}


@pytest.mark.parametrize("read", [read_truth, read_labels, read_entries])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_mended_is_refused_by_every_reader(kind, read, tmp_path):
    fields, told = REFUSED[kind]
    path = written(tmp_path / "truth.json", with_fields(TRUTH, **fields))
    with pytest.raises(FormatError, match=rf"truth\.json: .*{told}"):
        read(path)


def test_images_categories_and_files_are_refused_by_name(tmp_path):
    for change, told in (
        ({"images": [TRUTH["images"][0]] * 2}, r"images\[1\]: id 1 is used twice"),
        (
            {"categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}]},
            r"categories\[1\]: name cat is used twice, by categories\[0\] too",
        ),
        ({"images": [{"id": 1, "file_name": "a.jpg"}]}, r"images\[0\]: height is None"),
        ({"images": [{"id": "img_a"}]}, r"images\[0\]: id 'img_a' is no whole number"),
        ({"categories": [{"id": 1}]}, r"categories\[0\] has no name"),
    ):
        with pytest.raises(FormatError, match=told):
            read_truth(written(tmp_path / "truth.json", {**TRUTH, **change}))
    with pytest.raises(FormatError, match="a bare list, such as detection results"):
        read_truth(written(tmp_path / "truth.json", RESULTS))
    test_set = {k: v for k, v in TRUTH.items() if k != "annotations"}
    with pytest.raises(NoAnnotations):
        read_truth(written(tmp_path / "truth.json", test_set))
    with pytest.raises(ZipSegError, match=r"none\.json: cannot be read"):
        read_truth(tmp_path / "none.json")


REFUSED_RESULTS = {
    "no score": ({"score": ...}, "result 0: has no score"),
    "score in text": ({"score": "0.9"}, "result 0: score '0.9'"),
    "score NaN": ({"score": float("nan")}, "result 0: score nan"),
    "unlisted image": ({"image_id": 77}, "result 0: image_id 77 is not among"),
    "unlisted category": ({"category_id": 77}, "result 0: category_id 77 is not among"),
    "negative height": ({"bbox": [1, 1, 1, -1]}, "result 0: bbox .*negative size"),
    "another size": (
        {"segmentation": {"size": [96, 128], "counts": RLE}},
        r"result 0: .*\[96, 128\].*\[48, 64\]",
    ),
    "damaged mask": (
        {"segmentation": {"size": [48, 64], "counts": RLE[:-1]}},
        "result 0: segmentation is damaged RLE",
    ),
    "not an object": ({}, ""),
}


@pytest.mark.parametrize("kind", REFUSED_RESULTS)
def test_results_are_refused_by_number(kind, tmp_path, truth):
    fields, told = REFUSED_RESULTS[kind]
    content = with_fields(RESULTS, **fields) if fields else [RESULTS[0], 3]
    told = told or "result 1 is not an object"
    path = written(tmp_path / "results.json", content)
    with pytest.raises(FormatError, match=f"results.json: {told}"):
        check_masks(read_results(path, truth))


def test_an_object_of_results_is_matched_by_names_or_told(tmp_path, truth, caplog):
    labels = {
        "images": [dict(TRUTH["images"][n], id=10 - n) for n in (1, 0)],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [
            dict(RESULTS[0], id=1, image_id=10, category_id=2),
            dict(RESULTS[1], id=2, image_id=9, category_id=1),
        ],
    }
    found = read_results(written(tmp_path / "labels.json", labels), truth)
    assert found.image.tolist() == [1, 2]
    assert found.category.tolist() == [1, 2]
    with pytest.raises(FormatError, match=r"has no list .*results are a list of objects"):
        read_results(written(tmp_path / "x.json", {"results": RESULTS}), truth)
    labels["images"][0]["height"] = 50
    with pytest.raises(FormatError, match=r"is \[50, 64\] \(height, width\), but \[48, 64\]"):
        read_results(written(tmp_path / "labels.json", dict(labels, annotations=[])), truth)
    labels["images"][0]["height"] = 48
    labels["categories"][1]["name"] = "horse"
    found = read_results(written(tmp_path / "labels.json", labels), truth)
    assert (found.image.tolist(), found.category.tolist()) == ([2], [2])
    assert "labels.json: 1 categories that the annotations do not have, left out" in caplog.text
    with pytest.raises(FormatError, match=r"annotations\[0\]: has no score"):
        read_results(written(tmp_path / "truth.json", TRUTH), truth)


def test_boxes_of_corners_are_warned_of(tmp_path, truth, caplog):
    corners = with_fields(TRUTH, bbox=[5, 5, 25, 20])
    read_truth(written(tmp_path / "truth.json", corners))
    read_labels(tmp_path / "truth.json")
    line = "the boxes of 1 of 2 annotations with masks contradict these"
    assert caplog.text.count(line) == 2
    assert "1 would fit as x1, y1, x2, y2" in caplog.text
    caplog.clear()
    results = with_fields(RESULTS, bbox=[5, 5, 25, 20])
    check_masks(read_results(written(tmp_path / "results.json", results), truth))
    assert "the boxes of 1 of 2 results" in caplog.text
