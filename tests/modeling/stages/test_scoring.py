"""Scores, duplicates and caps."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou, nms

from zipseg.modeling.stages.scoring import ToInstances, suppress
from zipseg.structures import Masks, Present, Proposals
from zipseg.structures.masks import mask_boxes


def rectangle(x0, y0, x1, y1, size=(20, 30)):
    mask = torch.zeros(size, dtype=torch.bool)
    mask[y0:y1, x0:x1] = True
    return mask


def proposals(category):
    category = torch.tensor(category, dtype=torch.int64)
    count = len(category)
    return Proposals(
        category,
        torch.zeros(count, 4),
        torch.zeros(count, 2),
        torch.zeros_like(category),
        torch.zeros_like(category, dtype=torch.bool),
    )


def scored(masks, iou, category, present_score, crop_score=None, **settings):
    objects = proposals(category)
    present = Present(torch.tensor([7, 3]), torch.tensor(present_score))
    masks = Masks(torch.stack(masks), torch.tensor(iou))
    stage = ToInstances(**{"nms_thresh": 0.5} | settings)
    return stage(objects, masks, present, masks.iou, crop_score)


def test_scores_are_geometric_means_and_classes_are_the_names():
    masks = [rectangle(0, 0, 5, 5), rectangle(10, 10, 20, 15)]
    result = scored(masks, [0.81, 0.36], [0, 1], [0.25, 1.0])
    assert result.image_size == (20, 30)
    torch.testing.assert_close(result.scores, torch.tensor([0.6, 0.45]))
    assert result.pred_classes.tolist() == [3, 7]
    assert result.pred_boxes.tensor.tolist() == [[10, 10, 20, 15], [0, 0, 5, 5]]
    assert torch.equal(result.pred_masks, torch.stack(masks[::-1]))


def test_duplicates_are_removed_within_a_category_only():
    masks = [rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 9), rectangle(0, 0, 10, 10)]
    result = scored(masks, [0.9, 0.8, 0.7], [0, 0, 1], [1.0, 1.0])
    torch.testing.assert_close(result.scores**2, torch.tensor([0.9, 0.7]))


def test_duplicates_may_be_told_by_their_masks():
    """Two bars that cross have one box but are not one object."""
    across, down = rectangle(0, 8, 20, 12), rectangle(8, 0, 12, 20)
    assert len(scored([across, down], [0.9, 0.8], [0, 0], [1.0, 1.0], nms_iou="mask").scores) == 2
    result = scored([down, across, across], [0.9, 0.8, 0.7], [0, 0, 0], [1.0, 1.0], nms_iou="mask")
    torch.testing.assert_close(result.scores**2, torch.tensor([0.9, 0.8]))
    result = scored([down, across, across], [0.9, 0.8, 0.7], [0, 0, 1], [1.0, 1.0], nms_iou="mask")
    assert len(result.scores) == 3


@given(st.integers(0, 10_000), st.integers(0, 12), st.floats(0.1, 0.9))
def test_suppression_over_box_ious_is_torchvisions(seed, count, thresh):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 20, (count, 2), generator=generator).float()
    side = torch.randint(1, 20, (count, 2), generator=generator).float()
    box = torch.cat([corner, corner + side], dim=1)
    score = torch.rand(count, generator=generator)
    found = suppress(box_iou(box, box), score, thresh)
    assert found.tolist() == nms(box, score, thresh).tolist()


def test_duplicates_of_other_categories_are_removed_if_asked():
    masks = [rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 9), rectangle(0, 0, 10, 10)]
    result = scored(masks, [0.9, 0.8, 0.7], [0, 0, 1], [0.5, 1.0], nms_class_agnostic=True)
    assert result.pred_classes.tolist() == [3]


def test_the_crop_may_score_the_category():
    masks = [rectangle(0, 0, 5, 5), rectangle(10, 10, 20, 15)]
    crop = torch.tensor([0.9, 0.1])
    for rule, expected in (("crop", [0.9, 0.1]), ("both", [0.3, 0.3])):
        result = scored(masks, [1.0, 1.0], [0, 1], [0.1, 0.9], crop, category_score=rule)
        torch.testing.assert_close(result.scores, torch.tensor(expected).sqrt())


def test_empty_masks_low_scores_and_surplus_are_removed():
    masks = [rectangle(0, 0, 0, 0), *(rectangle(5 * i, 0, 5 * i + 4, 4) for i in range(4))]
    result = scored(
        masks, [0.99, 0.9, 0.8, 0.7, 0.01], [0] * 5, [1.0, 1.0], min_score=0.2, max_detections=2
    )
    torch.testing.assert_close(result.scores**2, torch.tensor([0.9, 0.8]))


def test_nothing_gives_an_empty_result():
    masks = Masks(torch.zeros(0, 4, 5, dtype=torch.bool), torch.zeros(0))
    present = Present(torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    result = ToInstances()(proposals([]), masks, present, masks.iou)
    assert len(result) == 0
    assert result.pred_masks.shape == (0, 4, 5)


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.floats(0, 1))
def test_boxes_are_tight(seed, height, width, density):
    random = torch.rand((5, height, width), generator=torch.Generator().manual_seed(seed))
    for mask, box in zip(random < density, mask_boxes(random < density).tolist(), strict=True):
        ys, xs = mask.nonzero(as_tuple=True)
        expected = [0, 0, 0, 0]
        if len(xs):
            expected = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert box == [float(v) for v in expected]
