import numpy as np
import pytest
import torch
from tests.experiments.boundaries.squares import BOXES, CATEGORIES, scene_dict

from zipseg.data.coco_format import truth_from
from zipseg.experiments.boundaries.boxes import found_boxes, intervals, score_boxes
from zipseg.experiments.boundaries.oracle import read_image_objects
from zipseg.structures import Proposals


def objects(boxes, planes) -> Proposals:
    box = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Proposals(
        torch.tensor(planes, dtype=torch.int64),
        box,
        torch.zeros(len(box), 2),
        torch.zeros(len(box), dtype=torch.int64),
        torch.zeros(len(box), dtype=torch.bool),
    )


def score(truth, image, boxes, planes):
    scene = read_image_objects(truth, 1, image, ())
    return score_boxes(truth, [found_boxes(scene, objects(boxes, planes))])


def test_the_truth_scores_one(squares_truth, squares_image):
    assert score(squares_truth, squares_image, BOXES, [0, 0, 1]) == (1, 1)


def test_nothing_found_scores_nothing(squares_truth, squares_image):
    assert score(squares_truth, squares_image, [], []) == (0, 0)


def test_one_box_claims_one_object_of_its_category(squares_truth, squares_image):
    # Both squares in one box: IoU 0.5 with either, hence one hit; the third has the wrong name.
    recall, precision = score(squares_truth, squares_image, [(20, 20, 100, 60), BOXES[2]], [0, 0])
    assert (recall, precision) == (pytest.approx(1 / 3), 0.5)
    # A duplicate is a false one.
    recall, precision = score(squares_truth, squares_image, [BOXES[0], BOXES[0]], [0, 0])
    assert (recall, precision) == (pytest.approx(1 / 3), 0.5)


def test_better_boxes_claim_first(squares_image):
    # The first box reaches both objects, the second only the first one, and exactly.
    boxes = ((20, 20, 60, 60), (20, 30, 60, 70))
    truth = truth_from(scene_dict(boxes, CATEGORIES[:2]))
    assert score(truth, squares_image, [(20, 24, 60, 64), boxes[0]], [0, 0]) == (1, 1)


def test_crowds_count_for_nothing(squares_image):
    content = scene_dict()
    content["annotations"][2]["iscrowd"] = 1
    truth = truth_from(content)
    assert score(truth, squares_image, BOXES[:2], [0, 0]) == (1, 1)


def test_intervals_are_those_of_resampled_images():
    counts = np.array([[2, 4, 3], [0, 3, 5], [5, 5, 5], [1, 2, 9]])
    rng, recalls = np.random.default_rng(0), []
    for _ in range(1000):
        drawn = counts[np.repeat(range(4), rng.multinomial(4, [0.25] * 4))]
        recalls.append(100 * drawn[:, 0].sum() / drawn[:, 1].sum())
    low, high = np.quantile(recalls, (0.025, 0.975))
    assert intervals(counts)["recall"] == f"{low:.1f} to {high:.1f}"
    assert intervals(np.array([[1, 2, 4]] * 3)) == {
        "recall": "50.0 to 50.0", "precision": "25.0 to 25.0", "f1": "33.3 to 33.3"
    }  # fmt: skip
