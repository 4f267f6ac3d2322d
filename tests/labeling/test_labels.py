"""Labels to and from other people's tools."""

import copy
import json

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.utils.visualizer import Visualizer
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_util
from pycocotools.coco import COCO
from tests.labeling.fakes import fake_run, write_images

from zipseg.data.images import read_image
from zipseg.labeling.errors import LabelingError
from zipseg.labeling.labels import _runs, read_labels, write_labels

RLE = {
    "size": [8, 10],
    "counts": mask_util.encode(np.ones((8, 10), np.uint8, "F"))["counts"].decode(),
}
GOOD = {
    "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 10}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 10, 8], "segmentation": RLE}
    ],
}


def changed(path: str, value: object) -> dict:
    """GOOD with one field replaced; "-" removes it."""
    labels = copy.deepcopy(GOOD)
    *parents, last = [int(x) if x.isdigit() else x for x in path.split("/")]
    target = labels
    for key in parents:
        target = target[key]
    if value == "-":
        del target[last]
    else:
        target[last] = value
    return labels


MALFORMED = {
    "empty": ("", "not a JSON file"),
    "torn": (json.dumps(GOOD)[:-9], "not a JSON file"),
    "binary": (b"\xff\xfe\x00\x01", "not a JSON file"),
    "deeply nested": ("[" * 100_000, "not a JSON file"),
    "a number": ("3", "not a COCO-format file"),
    "results": ([{"image_id": 1}], "bare list"),
    "no images": (changed("images", "-"), 'no list "images"'),
    "images an object": (changed("images", {}), 'no list "images"'),
    "annotations null": (changed("annotations", None), 'no list "annotations"'),
    "an image a text": (changed("images/0", "a.png"), r"images\[0\] is not an object"),
    "image id a text": (changed("images/0/id", "1"), r"images\[0\] has no whole-number id"),
    "image id twice": (changed("images", GOOD["images"] * 2), r"images\[1\]: id 1 is used twice"),
    "no height": (changed("images/0/height", "-"), "height is None"),
    "height 0": (changed("images/0/height", 0), "height is 0"),
    "width a text": (changed("images/0/width", "10"), "width is '10'"),
    "width NaN": (changed("images/0/width", float("nan")), "width is nan"),
    "width huge": (changed("images/0/width", 1 << 40), "width is"),
    "no file name": (changed("images/0/file_name", "-"), "has no file_name"),
    "category twice": (changed("categories/1/id", 1), "id 1 is used twice"),
    "category without name": (changed("categories/0/name", "-"), "has no name"),
    "unknown image": (changed("annotations/0/image_id", 2), "image_id 2 is not among"),
    "unknown category": (changed("annotations/0/category_id", 2), "category_id 2 is not among"),
    "category a list": (changed("annotations/0/category_id", [1]), r"category_id \[1\]"),
    "box of three": (changed("annotations/0/bbox", [1, 2, 3]), "not four numbers"),
    "box NaN": (changed("annotations/0/bbox", [1, 2, 3, float("nan")]), "not four numbers"),
    "box negative": (changed("annotations/0/bbox", [5, 5, -1, 2]), "negative size"),
    "score a text": (changed("annotations/0/score", "high"), "score 'high'"),
    "segmentation a text": (changed("annotations/0/segmentation", "x"), "neither polygons nor RLE"),
    "odd polygon": (changed("annotations/0/segmentation", [[1, 2, 3, 4, 5, 6, 7]]), "x, y, x, y"),
    "polygon of texts": (changed("annotations/0/segmentation", [["1"] * 6]), "x, y, x, y"),
    "polygons too deep": (changed("annotations/0/segmentation", [[[1, 2, 3, 4, 5, 6]]]), "x, y"),
    "RLE of another size": (changed("annotations/0/segmentation/size", [10, 8]), "RLE of size"),
    "RLE without counts": (changed("annotations/0/segmentation/counts", "-"), "without counts"),
    "RLE damaged": (changed("annotations/0/segmentation/counts", "0P2o0"), "damaged RLE"),
    "RLE odd characters": (changed("annotations/0/segmentation/counts", "\x00 ~"), "damaged RLE"),
    "RLE without end": (changed("annotations/0/segmentation/counts", "oooooo"), "damaged RLE"),
    "RLE too short": (changed("annotations/0/segmentation/counts", [3, 4]), "damaged RLE"),
    "RLE negative": (changed("annotations/0/segmentation/counts", [-80, 160]), "whole numbers"),
    "RLE of floats": (changed("annotations/0/segmentation/counts", [80.0]), "whole numbers"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_files_are_named_with_what_is_wrong(kind, tmp_path):
    content, reason = MALFORMED[kind]
    path = tmp_path / "labels.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(LabelingError, match=reason) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(LabelingError, match=r"none\.json: cannot be read"):
        read_labels(tmp_path / "none.json")


@settings(max_examples=200)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_run_lengths_are_those_of_pycocotools(height, width, data):
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits, np.uint8).reshape(height, width, order="F")
    runs = _runs(mask_util.encode(np.asfortranarray(mask))["counts"])
    values = np.arange(len(runs)) % 2
    np.testing.assert_array_equal(np.repeat(values, runs), mask.ravel(order="F"))


def test_run_lengths_of_large_masks():
    mask = np.zeros((3000, 4000), np.uint8, "F")
    mask[1:2999, 5:3990] = 1
    assert _runs(mask_util.encode(mask)["counts"]).sum() == mask.size


@given(st.text(alphabet=st.characters(min_codepoint=48, max_codepoint=111), max_size=12))
def test_no_damaged_mask_gets_through(counts):
    runs = _runs(counts.encode())
    if runs.sum() == 80 and (runs >= 0).all():
        rle = {"size": [8, 10], "counts": counts}
        assert mask_util.decode(rle).shape == (8, 10)


def test_a_corrected_file_is_accepted_back(tmp_path):
    """Float boxes, polygons, no scores or ids, extra fields, as labelling tools write them."""
    path = tmp_path / "corrected.json"
    triangle = [0.5, 0.5, 9.5, 0.5, 9.5, 7.5]
    corrected = {
        **GOOD,
        "images": [{**GOOD["images"][0], "date_captured": "", "coco_url": "", "height": 8.0}],
        "annotations": [
            {
                "image_id": 1,
                "category_id": 1,
                "bbox": [0.5, 0.5, 9.0, 7.0],
                "segmentation": [triangle],
            },
            {"image_id": 1, "category_id": 1, "segmentation": triangle, "iscrowd": False},
            {"image_id": 1, "category_id": 7, "segmentation": [[1, 1, 2, 2], triangle]},
            {"image_id": 1, "category_id": 7, "bbox": [1, 1, 3, 2.5], "segmentation": []},
            {
                "image_id": 1,
                "category_id": 7,
                "segmentation": {"size": [8, 10], "counts": [16, 8, 56]},
                "attributes": {"occluded": False},
                "score": None,
                "ignore": 0,
            },
        ],
    }
    path.write_text(json.dumps(corrected), encoding="utf-8-sig")
    labels = read_labels(path)
    first, second, third, boxed, run = labels["annotations"]
    assert [a["id"] for a in labels["annotations"]] == [1, 2, 3, 4, 5]
    assert all(a["score"] == 1.0 for a in labels["annotations"])
    assert first["segmentation"] == second["segmentation"] == third["segmentation"]
    assert first["bbox"] == [0.5, 0.5, 9.0, 7.0]
    assert second["iscrowd"] == 0
    assert boxed["area"] == 7.5
    assert "segmentation" not in boxed
    assert run["bbox"] == [2, 0, 1, 8]
    assert run["attributes"] == {"occluded": False}
    assert mask_util.decode(run["segmentation"])[:, 2].all()
    write_labels(tmp_path / "again.json", labels)
    assert read_labels(tmp_path / "again.json") == labels


def test_round_trip_through_pycocotools_and_detectron2(tmp_path):
    write_images(tmp_path / "images", 12)
    assert fake_run(tmp_path / "images", tmp_path / "out") == 0
    path = tmp_path / "out" / "labels.json"
    coco = COCO(str(path))
    assert len(coco.imgs) == 12
    assert coco.loadRes([dict(a) for a in coco.anns.values()]).anns.keys() == coco.anns.keys()
    register_coco_instances("labels_round_trip", {}, str(path), str(tmp_path / "images"))
    try:
        records = DatasetCatalog.get("labels_round_trip")
        metadata = MetadataCatalog.get("labels_round_trip")
        assert metadata.thing_classes == ["a", "b", "c"]
        assert sum(len(r["annotations"]) for r in records) == len(coco.anns) > 10
        record = max(records, key=lambda r: len(r["annotations"]))
        rgb = read_image(record["file_name"], "RGB")
        drawn = Visualizer(rgb, metadata).draw_dataset_dict(record).get_image()
        assert (drawn != rgb).any()
    finally:
        DatasetCatalog.remove("labels_round_trip")
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        assert mask.shape == (24, 32)
        assert mask.sum() == annotation["area"]
    uniform = read_labels(path)
    assert [a["segmentation"] for a in uniform["annotations"]] == [
        a["segmentation"] for a in coco.anns.values()
    ]
