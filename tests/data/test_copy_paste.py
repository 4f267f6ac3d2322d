"""Pasted objects look like their source, hide what is below them, and bring their labels."""

import numpy as np
import pytest
import torch
from detectron2.structures import BitMasks, Boxes, Instances
from hypothesis import given
from hypothesis import strategies as st

from zipseg.data.copy_paste import CopyPaste

SIDE = 32


def entry(value: int, squares: list[tuple[int, int, int]]) -> dict:
    """A picture of 0 with squares (x, y, side) of one value, which is their class too."""
    image = torch.zeros((3, SIDE, SIDE), dtype=torch.uint8)
    masks = torch.zeros((len(squares), SIDE, SIDE), dtype=torch.bool)
    for mask, (x, y, side) in zip(masks, squares, strict=True):
        mask[y : y + side, x : x + side] = True
        image[:, mask] = value
    instances = Instances((SIDE, SIDE))
    boxes = [[x, y, x + side, y + side] for x, y, side in squares]
    instances.gt_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    instances.gt_classes = torch.full((len(squares),), value)
    if squares:
        instances.gt_masks = BitMasks(masks)
    instances.gt_scores = torch.full((len(squares),), value / 100)
    return {"image": image, "instances": instances}


squares = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(2, 12)), min_size=0, max_size=4
)


@given(squares, squares, st.integers(0, 99), st.sampled_from([(1.0, 1.0), (0.3, 1.0)]))
def test_what_is_pasted_is_seen_and_labelled(first, second, seed, scale):
    np.random.seed(seed)
    batch = [entry(10, first), entry(20, second)]
    before = [each["image"].clone() for each in batch]
    pasted = CopyPaste(1.0, scale, 0.0)(batch)
    assert all(torch.equal(a, b["image"]) for a, b in zip(before, batch, strict=True))
    image, found = pasted[0]["image"], pasted[0]["instances"]
    if not second:
        assert pasted[0] is batch[0]
        return
    new = found.gt_classes == 20
    assert 1 <= int(new.sum()) <= len(second)
    masks = found.gt_masks.tensor
    assert (masks.sum(0) <= 1)[masks[new].any(0)].all()  # pasted objects lie in front
    assert (image[0][masks[new].any(0)] == 20).all()
    assert torch.equal(image[0] == 20, masks[new].any(0))
    tight = found.gt_masks.get_bounding_boxes().tensor
    assert torch.equal(found.gt_boxes.tensor[new], tight[new])
    assert found.gt_scores[new].tolist() == pytest.approx([0.2] * int(new.sum()))
    if scale == (1.0, 1.0) and int(new.sum()) == 1:
        area = int(masks[new].sum())
        own = batch[1]["instances"].gt_masks.tensor.flatten(1).sum(1).tolist()
        assert area in own


def test_labels_that_are_nearly_hidden_go():
    np.random.seed(0)
    below, above = entry(10, [(0, 0, SIDE)]), entry(20, [(0, 0, SIDE - 1)])
    (kept, _) = CopyPaste(1.0, (1.0, 1.0), 0.0)([below, above])
    assert kept["instances"].gt_classes.tolist() == [10, 20]
    (gone, _) = CopyPaste(1.0, (1.0, 1.0), 0.1)([below, above])
    assert gone["instances"].gt_classes.tolist() == [20]


def test_ignored_objects_are_not_pasted_but_stay():
    np.random.seed(0)
    first, second = entry(10, [(0, 0, 6)]), entry(20, [(4, 4, 6), (20, 20, 8)])
    first["instances"].gt_ignore = torch.tensor([True])
    second["instances"].gt_ignore = torch.tensor([True, False])
    result = CopyPaste(1.0, (1.0, 1.0), 0.0)([first, second])
    assert result[0]["instances"].gt_ignore.tolist() == [True, False]
    assert int(result[0]["instances"].gt_masks.tensor[1].sum()) == 64
    assert result[1] is second


def test_larger_objects_than_the_image_and_single_images_pass():
    small = {"image": torch.zeros((3, 8, 8), dtype=torch.uint8), "instances": Instances((8, 8))}
    small["instances"].gt_boxes = Boxes(torch.zeros((0, 4)))
    small["instances"].gt_classes = torch.zeros(0, dtype=torch.int64)
    large = entry(20, [(0, 0, 30)])
    assert CopyPaste(1.0, (1.0, 1.0), 0.0)([small, large])[0] is small
    assert CopyPaste(1.0, (1.0, 1.0), 0.0)([large]) == [large]
