"""Run-length encoding of many masks at once, beside pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_util

from zipseg.data.coco_format.segmentation import damaged, decoded


def rle(counts, height=8, width=10):
    return {"size": [height, width], "counts": counts}


def encoded(mask):
    found = mask_util.encode(np.asfortranarray(mask, np.uint8))
    return rle(found["counts"].decode(), *mask.shape)


@settings(max_examples=150)
@given(st.data())
def test_areas_and_boxes_are_those_of_pycocotools(data):
    masks = []
    for _ in range(data.draw(st.integers(1, 6))):
        height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
        bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
        masks.append(encoded(np.array(bits).reshape(height, width, order="F")))
    found = decoded(masks)
    assert not found.damaged.any()
    np.testing.assert_array_equal(found.area, mask_util.area(masks))
    some = found.area > 0
    np.testing.assert_array_equal(found.box[some], mask_util.toBbox(masks)[some])
    assert not found.box[~some].any()


def test_large_masks_and_more_than_are_decoded_together():
    rng = np.random.default_rng(0)
    masks = [encoded(rng.random((600, 700)) < share) for share in (0.5, 0.001, 0.9)] * 2
    big = np.zeros((3000, 4000), bool)
    big[1:2999, 5:3990] = True
    masks.append(encoded(big))
    found = decoded(masks)
    assert not found.damaged.any()
    np.testing.assert_array_equal(found.area, mask_util.area(masks))
    np.testing.assert_array_equal(found.box, mask_util.toBbox(masks))


@given(
    st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=111), min_size=1, max_size=12))
)
def test_what_is_not_damaged_covers_its_image(texts):
    masks = [rle(text) for text in texts]
    odd = set(damaged(masks).tolist())
    for place, mask in enumerate(masks):
        if place not in odd:
            assert mask_util.decode(mask).shape == (8, 10)
            again = encoded(mask_util.decode(mask))
            assert mask_util.area(again) == mask_util.area(mask)


@pytest.mark.parametrize("counts", ["0P2o0", "oooooo", "`2P", "0", "ooooooooo0"])
def test_one_damaged_among_sound_ones_is_found(counts):
    sound = encoded(np.eye(8, 10))
    assert damaged([sound, rle(counts), sound, sound]).tolist() == [1]
