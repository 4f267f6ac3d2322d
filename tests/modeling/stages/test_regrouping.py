"""Objects out of kept fragments against one category at a time."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from tests.references.discovery import plain_objects

from zipseg.modeling.stages import regions
from zipseg.modeling.stages.fragments import find_fragments
from zipseg.modeling.stages.regrouping import Regroup, to_proposals


def regroup_masks(unions, active=None, min_area=1, dilation=0):
    """Objects of kept regions [P, h, w], each cell its own fragment."""
    unions = torch.as_tensor(unions)
    h, w = unions.shape[1:]
    active = torch.ones_like(unions) if active is None else active
    fragments = find_fragments(torch.arange(h * w).reshape(h, w), active)
    label = Regroup(dilation)(fragments, unions.flatten(1), active, min_area)
    return to_proposals(label, (h, w), torch.device("cpu"))


def brute_depth(mask):
    """Depth of every cell of a mask [h, w] by all pairs of cells."""
    padded = np.pad(mask, 1)
    cells = np.argwhere(padded)
    offset = np.maximum(np.abs(cells[:, None] - np.argwhere(~padded)[None]) - 0.5, 0)
    depth = np.zeros(padded.shape, np.float32)
    depth[tuple(cells.T)] = np.sqrt((offset**2).sum(axis=2)).min(axis=1)
    return depth[1:-1, 1:-1]


masks = st.builds(
    lambda seed, names, h, w, density: np.random.default_rng(seed).random((names, h, w)) < density,
    st.integers(0, 2**31), st.integers(0, 4), st.integers(1, 12), st.integers(1, 12),
    st.floats(0.1, 1.0),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(masks, st.integers(1, 6))
def test_objects_are_the_components_of_each_name(unions, min_area):
    objects = regroup_masks(unions, min_area=min_area)
    expected = plain_objects(unions, min_area)
    assert objects.category.tolist() == [each.category for each in expected]
    assert objects.box.tolist() == [list(each.box) for each in expected]
    for point, each in zip(objects.point, expected, strict=True):
        mask = np.zeros(unions.shape[1:], bool)
        mask[tuple(each.cells.T)] = True
        depth = brute_depth(mask)
        column, row = point.long().tolist()
        assert mask[row, column]
        np.testing.assert_allclose(depth[row, column], depth.max(), atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(masks)
def test_depth_is_the_distance_to_the_outline(unions):
    label, count = ndimage.label(unions, regions.WITHIN_PLANES)
    depth = regions.depth(label)
    for index in range(1, count + 1):
        plane = int(np.argwhere(label == index)[0, 0])
        mask = label[plane] == index
        np.testing.assert_allclose(depth[plane][mask], brute_depth(mask)[mask], atol=1e-4)


def test_dilation_stays_within_the_activation_and_out_of_other_objects():
    union = torch.zeros(2, 5, 9, dtype=torch.bool)
    union[0, 2, 1:4] = union[0, 2, 5:8] = union[1, 0, 0] = True
    active = torch.zeros_like(union)
    active[0, 1:4] = True
    still = regroup_masks(union, active)
    grown = regroup_masks(union, active, dilation=1)
    assert still.box.tolist() == [[1, 2, 4, 3], [5, 2, 8, 3], [0, 0, 1, 1]]
    # Up, down and to the sides within rows 1..3; the cell between the two goes to one of them.
    assert grown.box[:, 1::2].tolist() == [[1, 4], [1, 4], [0, 1]]
    assert grown.box[0, 2] + grown.box[1, 0] in (4 + 4, 5 + 5)
    assert grown.category.tolist() == [0, 0, 1]


def test_nothing_is_dilated_to_nothing():
    assert not len(regroup_masks(torch.zeros(2, 4, 4, dtype=torch.bool), dilation=2))


def test_point_is_the_centre_of_the_deepest_cell_in_pixels():
    label = np.zeros((1, 9, 12), np.int32)
    label[0, 1:8, 2:9] = 1
    label[0, 4, 9:] = 1
    objects = to_proposals(label, (18, 36), torch.device("cpu"), source=3)
    assert objects.point.tolist() == [[16.5, 9]]
    assert objects.box.tolist() == [[6, 2, 36, 16]]
    assert objects.source.tolist() == [3]
