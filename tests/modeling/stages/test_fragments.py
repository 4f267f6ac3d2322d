"""Fragments, their measures and the choice among them against one cluster and name at a time."""

import numpy as np
import pytest
import skimage.measure
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.references.discovery import plain_unions

from zipseg.modeling.stages.fragments import SelectFragments, find_fragments


@st.composite
def label_maps(draw):
    """Labels [h, w] in pieces of all sizes and activated regions [P, h, w]."""
    h, w, names = draw(st.integers(1, 14)), draw(st.integers(1, 14)), draw(st.integers(0, 4))
    clusters, scale = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))

    def blocks(*shape):
        coarse = rng.integers(0, clusters, shape)
        return coarse.repeat(scale, axis=-2).repeat(scale, axis=-1)[..., :h, :w]

    labels, active = blocks(h, w), blocks(names, h, w) > 0
    return torch.from_numpy(labels), torch.from_numpy(active)


def brute_radius(mask):
    """Largest circle around a cell's centre that stays inside a mask and the grid."""
    padded = np.pad(mask, 1)
    offset = np.abs(np.argwhere(padded)[:, None] - np.argwhere(~padded)[None]) - 0.5
    return np.sqrt((np.maximum(offset, 0) ** 2).sum(axis=2)).min(axis=1).max()


@settings(max_examples=80, deadline=None)
@given(label_maps())
def test_measures_are_those_of_each_cluster_alone(maps):
    labels, active = maps
    fragments = find_fragments(labels, active)
    seen = 0
    for cluster in labels.unique():
        pieces = skimage.measure.label((labels == cluster).numpy(), connectivity=1)
        for piece in skimage.measure.regionprops(pieces):
            mask = pieces == piece.label
            (index,) = fragments.label[torch.from_numpy(mask)].unique().tolist()
            assert (fragments.label == index).sum() == piece.area == fragments.area[index]
            top, left, bottom, right = piece.bbox
            assert fragments.box[index].tolist() == [left, top, right, bottom]
            assert fragments.radius[index] == pytest.approx(brute_radius(mask), abs=1e-4)
            share = active.numpy()[:, mask].mean(axis=1)
            np.testing.assert_allclose(fragments.share[:, index], share, atol=1e-6)
            seen += 1
    assert seen == len(fragments.area) == len(fragments.radius)


@settings(max_examples=80, deadline=None)
@given(label_maps())
def test_the_demos_choice(maps):
    labels, active = maps
    fragments = find_fragments(labels, active)
    kept = SelectFragments(boundary_score=1.5)(fragments)[:, fragments.label]
    np.testing.assert_array_equal(kept, plain_unions(labels.numpy(), active.numpy(), 0.3, 1.5))


def test_inscribed_radius_removes_what_is_thin_whatever_its_box():
    labels = torch.zeros(12, 12, dtype=torch.int64)
    labels[1:6, 1:6] = 1  # a block
    labels[9, :] = 2  # a straight line: its box is itself, so its box-area score is the best
    fragments = find_fragments(labels, torch.ones(1, 12, 12, dtype=torch.bool))
    block_and_line = fragments.label[[3, 9], 3]
    assert fragments.radius[block_and_line].tolist() == [2.5, 0.5]
    assert SelectFragments()(fragments)[0, block_and_line].tolist() == [True, True]
    kept = SelectFragments(boundary_rule="inscribed_radius", min_radius=2.0)(fragments)
    assert kept[0, block_and_line].tolist() == [True, False]
