"""The measurement on photographs, with a segmenter that cuts boxes out."""

import json

import cv2
import numpy as np
import pytest
import torch

from zipseg.experiments.boundaries.images import from_files
from zipseg.experiments.photographs import measure, prompted_iou, to_markdown
from zipseg.modeling.networks.segmenters import Encoded, SegmentAnything
from zipseg.structures import Masks
from zipseg.utils.errors import ZipSegError

FACTS = {"dataset": "d", "segmenter": "Boxes", "type": "t", "weights": "w"}
SETTINGS = {"points_per_side": 2}


class Boxes(SegmentAnything):
    """A box's mask is the box; by itself it finds the left half of every image."""

    encodings = 0

    def encode(self, images):
        self.encodings += len(images)
        return [Encoded((), (1, 1), tuple(image.shape[-2:])) for image in images]

    def decode(self, encoded, boxes=None, points=None, size=None):
        y, x = (torch.arange(side) for side in encoded.image_size)
        x0, y0, x1, y1 = (boxes[:, i, None, None] for i in range(4))
        inside = (x >= x0) & (x < x1) & (y[:, None] >= y0) & (y[:, None] < y1)
        return Masks(inside, torch.linspace(0.4, 0.9, len(boxes)))

    def mask_generator(self, **settings):
        def generate(image):
            half = np.zeros(image.shape[:2], bool)
            half[:, : half.shape[1] // 2] = True
            return [{"segmentation": half, "predicted_iou": 0.9}]

        return generate


@pytest.fixture
def photographs(tmp_path):
    """Two images: on the first the left half and a triangle, on the second a full-height bar."""
    annotations = [
        {"image_id": 1, "bbox": [0, 0, 40, 60], "segmentation": [[0, 0, 40, 0, 40, 60, 0, 60]]},
        {"image_id": 1, "bbox": [40, 0, 40, 60], "segmentation": [[40, 0, 80, 0, 40, 60]]},
        {"image_id": 2, "bbox": [0, 0, 10, 60], "segmentation": [[0, 0, 10, 0, 10, 60, 0, 60]]},
    ]
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": 60, "width": 80} for i in (1, 2, 3)
        ],
        "categories": [{"id": 7, "name": "thing"}],
        "annotations": [{"id": i, "category_id": 7, **a} for i, a in enumerate(annotations)],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    for i in (1, 2, 3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((60, 80, 3), 90, np.uint8))
    return from_files(tmp_path / "truth.json", tmp_path)


def test_iou_is_that_of_each_mask_with_its_own_object(photographs):
    rles = photographs.truth.rles
    mask = np.zeros((2, 60, 80), bool)
    mask[0, :, :20], mask[1, :, 40:] = True, True
    assert prompted_iou(mask, rles[:2]) == pytest.approx([0.5, 0.5], abs=0.02)


def test_boxes_and_what_is_found_without(photographs, tiny_sam, tmp_path):
    done = measure(Boxes(tiny_sam), photographs, tmp_path / "out.json", FACTS, SETTINGS)
    assert done["images"].keys() == {"1", "2"}  # the third has no objects
    summary = done["summary"]
    assert summary["prompted"]["all"]["objects"] == 3
    assert summary["prompted"]["all"]["mean_iou"] == pytest.approx((1 + 0.5 + 1) / 3, abs=0.02)
    assert summary["prompted"]["small"]["objects"] == 1
    # The half is one of three objects, and the better of two masks with the same score.
    assert summary["found"]["AR@100"] == pytest.approx(100 / 3, abs=0.1)
    table = to_markdown(done["facts"], summary)
    assert "| all | 3 | 0.83" in table
    assert "2 x 2 points" in table


def test_it_goes_on_where_it_stopped_and_keeps_other_results_apart(photographs, tiny_sam, tmp_path):
    first, output = Boxes(tiny_sam), tmp_path / "out.json"
    done = measure(first, photographs, output, FACTS, None)
    assert "found" not in done["summary"]
    content = json.loads(output.read_text())
    del content["images"]["2"]
    output.write_text(json.dumps(content))
    second = Boxes(tiny_sam)
    assert measure(second, photographs, output, FACTS, None) == done
    assert (first.encodings, second.encodings) == (2, 1)
    with pytest.raises(ZipSegError, match=r"out\.json: holds results of"):
        measure(second, photographs, output, {**FACTS, "type": "other"}, None)
