"""What masks are worth."""

import pytest
import torch

from zipseg.modeling.stages.rating import RateMasks, rim_strength, share_inside
from zipseg.structures import Activation, Masks, Proposals, mask_ious


def square(y: int, x: int, side: int) -> torch.Tensor:
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def scene():
    """Two masks of one category whose region is the left half; the features change at column 16."""
    mask = torch.stack([square(8, 4, 12), square(8, 10, 12)])
    active = torch.zeros(1, 16, 16, dtype=torch.bool)
    active[:, :, :8] = True
    features = torch.zeros(2, 16, 16)
    features[0, :, :8], features[1, :, 8:] = 1, 1
    place = torch.zeros(2, dtype=torch.int64)
    proposals = Proposals(place, torch.zeros(2, 4), torch.zeros(2, 2), place, place.bool())
    masks = Masks(mask, torch.tensor([0.5, 0.8]))
    return masks, proposals, Activation(active.float(), active), features


def test_by_default_it_is_the_predicted_iou_to_the_bit(scene):
    masks, *others = scene
    assert RateMasks()(masks, *others) is masks.iou


def test_the_share_inside_counts_area(scene):
    masks, proposals, activation, _ = scene
    inside = share_inside(masks.mask, activation.active[proposals.category])
    torch.testing.assert_close(inside, torch.tensor([1.0, 0.5]))
    assert share_inside(torch.zeros(1, 9, 9, dtype=torch.bool), activation.active).item() == 0


def test_an_outline_along_the_boundary_is_worth_more(scene):
    masks, _, _, features = scene
    along, across = rim_strength(masks.mask, features).tolist()
    assert along > across
    assert along > 0.7
    flat = torch.ones(2, 16, 16)
    assert rim_strength(masks.mask, flat).tolist() == [0.5, 0.5]
    assert rim_strength(torch.zeros(1, 32, 32, dtype=torch.bool), features).tolist() == [0.5]


def test_candidates_that_agree_are_worth_more():
    mask = torch.stack([square(2, 2, 10), square(2, 2, 10), square(3, 2, 10), square(20, 20, 5)])
    place = torch.zeros(4, dtype=torch.int64)
    proposals = Proposals(place, torch.zeros(4, 4), torch.zeros(4, 2), place, place.bool())
    active = torch.ones(1, 8, 8, dtype=torch.bool)
    masks = Masks(mask, torch.ones(4))
    rated = RateMasks(agreement=1.0)(
        masks, proposals, Activation(active.float(), active), torch.ones(2, 8, 8)
    )
    torch.testing.assert_close(rated, torch.tensor([0.75, 0.75, 0.75, 0.5]))


def test_terms_multiply_and_nothing_has_none(scene):
    masks, proposals, activation, features = scene
    rated = RateMasks(0.5, 2.0, 1.0, 0.0)(masks, proposals, activation, features)
    inside = share_inside(masks.mask, activation.active[proposals.category])
    expected = masks.iou.sqrt() * inside**2 * rim_strength(masks.mask, features)
    torch.testing.assert_close(rated, expected)
    rule = RateMasks(1.0, 1.0, 1.0, 1.0)
    assert len(rule(masks[:0], proposals[:0], activation, features)) == 0


def test_ious_of_masks_are_exact_up_to_the_grid_and_close_beyond():
    mask = torch.stack([square(0, 0, 8), square(0, 4, 8), square(20, 20, 8)])
    expected = torch.tensor([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]])
    torch.testing.assert_close(mask_ious(mask), expected)
    torch.testing.assert_close(mask_ious(mask, side=16), expected)
    assert mask_ious(mask[:0]).shape == (0, 0)
    assert mask_ious(torch.zeros(2, 5, 5, dtype=torch.bool)).tolist() == [[0, 0], [0, 0]]
