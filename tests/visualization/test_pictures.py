"""Pictures are drawn for whatever the stages hand on."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import Metadata
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from hypothesis import given, settings
from hypothesis import strategies as st

from zipseg.engine.setup import load_config
from zipseg.visualization.labels import Label, place_labels
from zipseg.visualization.overlays import best_of_each_place, draw_instances, worth_drawing
from zipseg.visualization.stage_panel import save_stage_panel

SIZES = [(320, 320), (4000, 30), (30, 4000), (640, 480), (24, 24), (7, 3)]  # width, height
TINY = str(Path(__file__).parents[2] / "configs" / "Test" / "zip_tiny_random.yaml")


@pytest.mark.parametrize("method", ["Clusters", "Watershed"])
@pytest.mark.parametrize("least_score", [0.0, 2.0])
def test_stage_panels(tmp_path, picture, method, least_score):
    names = ["a cat", "$x_y$"]
    cfg = load_config(TINY, ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", names,
                             "MODEL.ZIP.DISCOVERY.NAME", method,
                             "MODEL.ZIP.CLASSIFICATION.MIN_SCORE", least_score])  # fmt: skip
    model = build_model(cfg).eval()
    (trace,) = model.trace([{"image": torch.as_tensor(picture.transpose(2, 0, 1).copy())}])
    assert (len(trace.proposals) == 0) == (least_score > 1)
    save_stage_panel(tmp_path / "panel.png", picture, trace, model.names)
    panel = cv2.imread(str(tmp_path / "panel.png"))
    assert panel.shape == (700, 1200, 3)
    assert panel.std() > 20


def test_overlays_mark_the_instances(picture):
    cfg = load_config(TINY, ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", ["a", "b"]])
    model = build_model(cfg).eval()
    entry = {"image": torch.as_tensor(picture.transpose(2, 0, 1).copy())}
    instances = model([entry])[0]["instances"]
    metadata = Metadata(thing_classes=list(model.names))
    empty = draw_instances(picture, instances[:0], metadata)
    assert min(empty.shape[:2]) >= 512
    assert (draw_instances(picture, instances, metadata) != empty).any()


@pytest.mark.parametrize("masks", [True, False])
def test_of_instances_in_one_place_the_best_stays(masks):
    boxes = torch.tensor([[0, 0, 20, 20], [0, 0, 20, 19], [30, 30, 40, 40], [0, 0, 40, 40]])
    instances = Instances((40, 40))
    instances.pred_boxes = Boxes(boxes.float())
    instances.scores = torch.tensor([0.5, 0.9, 0.3, 0.8])
    instances.pred_classes = torch.arange(4)
    if masks:
        instances.pred_masks = torch.zeros(4, 40, 40, dtype=torch.bool)
        for mask, (x0, y0, x1, y1) in zip(instances.pred_masks, boxes.tolist(), strict=True):
            mask[y0:y1, x0:x1] = True
    assert best_of_each_place(instances, 0.5).pred_classes.tolist() == [1, 3, 2]
    assert best_of_each_place(instances, 1.0).pred_classes.tolist() == [1, 3, 0, 2]
    assert len(best_of_each_place(instances[:0], 0.5)) == 0


def test_what_scores_little_beside_the_best_is_not_worth_drawing():
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
    scores = torch.tensor([0.05, 0.8, 0.2])
    instances = Instances((60, 60), pred_boxes=Boxes(boxes), scores=scores)
    assert worth_drawing(instances).scores.tolist() == scores[[1, 2]].tolist()
    assert len(worth_drawing(instances[:0])) == 0


def touch(a: tuple, b: tuple) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def overlap(a: tuple, b: tuple) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@settings(max_examples=60)
@given(st.sampled_from(SIZES), st.integers(0, 40), st.randoms(use_true_random=False))
def test_labels_are_disjoint_and_within_the_picture(size, count, random):
    width, height = size
    corners = [
        [sorted(random.uniform(0, side) for _ in range(2)) for side in size] for _ in range(count)
    ]
    boxes = np.array([(x0, y0, x1, y1) for (x0, x1), (y0, y1) in corners]).reshape(-1, 4)
    texts = [(f"name {i} {i}%", f"name {i}") for i in range(count)]
    labels = place_labels(texts, boxes, width, height)
    assert len(labels) == count
    placed = [(i, label.rectangle) for i, label in enumerate(labels) if label]
    for k, (i, (left, top, right, bottom)) in enumerate(placed):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert labels[i].text in texts[i]
        assert touch((left, top, right, bottom), boxes[i].round())
        assert not any(overlap((left, top, right, bottom), other) for _, other in placed[:k])


def test_labels_have_room_above_then_below_then_inside_and_the_smallest_go_without():
    def places(*boxes: tuple, size: tuple[int, int] = (400, 300)) -> list[Label | None]:
        return place_labels([("a cat 93%", "a cat")] * len(boxes), np.array(boxes, float), *size)

    (above,) = places((50, 100, 150, 200))
    assert above.rectangle[0] == 50
    assert above.rectangle[3] == 100
    large, small = places((50, 100, 150, 200), (50, 101, 149, 200))
    assert large == above
    assert small.rectangle[1] == 200
    (inside,) = places((0, 0, 400, 300))
    assert inside.rectangle[:2] == (0, 0)
    crowd = places(*[(0, 0, 30 - i, 30 - i) for i in range(12)])
    with_label = [label is not None for label in crowd]
    assert with_label[0]
    assert with_label == sorted(with_label, reverse=True)
    assert not all(with_label)
    (narrow,) = places((0, 10, 48, 200), size=(48, 4000))
    assert narrow.text == "a cat"
    assert places((0, 0, 9, 9), size=(9, 9)) == [None]


@pytest.mark.parametrize(("width", "height"), [*SIZES, (1600, 1200)])
def test_labels_can_be_read_in_pictures_of_any_shape(width, height):
    """The best label of a picture that has the room is at least a hundredth of its mean side."""
    instances = Instances((height, width), pred_boxes=Boxes([[0, 0, width, height]] * 2))
    instances.scores, instances.pred_classes = torch.tensor([0.9, 0.8]), torch.tensor([0, 0])
    rgb = np.full((height, width, 3), 128, np.uint8)
    metadata = Metadata(thing_classes=["a $x_y$ {name"])
    drawn = draw_instances(rgb, instances, metadata)
    assert min(drawn.shape[:2]) >= min(width, height)
    (label,) = place_labels([("a",)], np.array([[0, 0, *drawn.shape[1::-1]]]), *drawn.shape[1::-1])
    assert label is None or label.size >= max(9, 0.01 * (width * height) ** 0.5)
    assert (drawn == draw_instances(rgb, instances, metadata)).all()  # no random colours
