"""Instances to COCO records and files."""

import json

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances
from pycocotools import mask as mask_util

from zipseg.data.coco_io import instances_to_coco
from zipseg.utils.files import write_json


def instances(count):
    masks = torch.rand((count, 20, 30), generator=torch.Generator().manual_seed(0)) > 0.5
    return Instances(
        (20, 30),
        pred_boxes=Boxes(torch.tensor([[1.0, 2, 11, 22]]).repeat(count, 1)),
        scores=torch.linspace(0.9, 0.1, count),
        pred_classes=torch.arange(count),
        pred_masks=masks,
    )


def test_records_hold_boxes_masks_and_ids():
    given = instances(3)
    records = instances_to_coco(given, 42, category_ids=[10, 20, 30])
    assert [r["category_id"] for r in records] == [10, 20, 30]
    assert all(r["bbox"] == [1, 2, 10, 20] and r["image_id"] == 42 for r in records)
    for record, mask in zip(json.loads(json.dumps(records)), given.pred_masks, strict=True):
        assert np.array_equal(mask_util.decode(record["segmentation"]), mask.numpy())
        assert record["area"] == int(mask.sum())


def test_without_ids_classes_count_from_one():
    assert [r["category_id"] for r in instances_to_coco(instances(2), 1)] == [1, 2]
    assert instances_to_coco(instances(0), 1) == []


def test_files_are_replaced_whole(tmp_path):
    path = tmp_path / "new" / "out.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, [object()])
    assert json.loads(path.read_text()) == [1]
    assert list(path.parent.iterdir()) == [path]


def test_more_masks_than_a_byte_counts():
    assert len(instances_to_coco(instances(300), 1, list(range(300)))) == 300


def test_files_have_the_usual_permissions(tmp_path):
    write_json(tmp_path / "out.json", {})
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "out.json").stat().st_mode == (tmp_path / "plain").stat().st_mode
