"""Labels to and from other people's tools."""

import json

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.utils.visualizer import Visualizer
from pycocotools import mask as mask_util
from pycocotools.coco import COCO
from tests.labeling.corpus import GOOD
from tests.labeling.fakes import fake_run, write_images

from zipseg.data.coco_format import read_labels, write_labels
from zipseg.data.images import read_image


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


def test_scores_and_boxes_that_filters_are_not_made_for_are_counted(tmp_path, caplog):
    (first,) = GOOD["annotations"]
    more = [{**first, "id": n, "score": score} for n, score in ((2, 95), (3, -0.1), (4, 0.5))]
    flat = {**first, "id": 5, "bbox": [1, 1, 0, 4], "segmentation": None}
    labels = {**GOOD, "annotations": [first, *more, flat]}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    read_labels(tmp_path / "labels.json")
    assert "2 scores outside of 0 .. 1" in caplog.text
    assert "1 boxes without an area" in caplog.text
