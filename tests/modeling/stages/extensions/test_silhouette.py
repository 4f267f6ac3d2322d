import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.morphology import reconstruction

from zipseg.modeling.stages.extensions.silhouette import CROSS, reconstruct, share_out_by_depth

FLAT = torch.zeros(24, 40)


def share_out_once(strength, active, quantile, prominence) -> np.ndarray:
    (labels,) = share_out_by_depth(strength, active, quantile, [prominence])
    return labels


def region(*parts) -> torch.Tensor:
    active = torch.zeros(1, 24, 40, dtype=torch.bool)
    for rows, columns in parts:
        active[0, slice(*rows), slice(*columns)] = True
    return active


DUMBBELL = region(((4, 16), (4, 16)), ((8, 12), (16, 24)), ((4, 16), (24, 36)))


def count(labels: np.ndarray) -> int:
    return len(np.unique(labels[labels > 0]))


def test_shape_alone_cuts_at_a_waist():
    labels = share_out_once(FLAT, DUMBBELL, 0.8, 0.3)
    assert np.array_equal(labels > 0, DUMBBELL.numpy())
    assert count(labels) == 2
    assert labels[0, 10, 5] != labels[0, 10, 34]


def test_prominence_is_relative_to_size():
    assert count(share_out_once(FLAT, DUMBBELL, 0.8, 2.5)) == 1
    small = torch.zeros_like(DUMBBELL)
    small[0, :12, :20] = DUMBBELL[0, ::2, ::2]
    assert count(share_out_once(FLAT, small, 0.8, 0.3)) == 2


def test_a_plain_bar_is_one_object_without_features_and_two_with_them():
    bar = region(((4, 16), (4, 36)))
    assert count(share_out_once(FLAT, bar, 0.8, 0.3)) == 1
    border = FLAT.clone()
    border[:, 20] = 1
    labels = share_out_once(border, bar, 0.8, 0.3)
    assert count(labels) == 2
    assert labels[0, 10, 19] != labels[0, 10, 21]


@pytest.mark.parametrize("seed", range(5))
def test_every_region_is_shared_out_within_its_parts(seed):
    rng = np.random.default_rng(seed)
    active = torch.from_numpy(ndimage.gaussian_filter(rng.normal(size=(3, 24, 40)), (0, 2, 2)) > 0)
    active[1] = False
    labels = share_out_once(torch.rand(24, 40), active, 0.8, 0.3)
    assert np.array_equal(labels > 0, active.numpy())
    planes = [set(np.unique(plane)) - {0} for plane in labels]
    assert not planes[0] & planes[2]
    parts, _ = ndimage.label(active[0].numpy())
    pairs = np.unique(np.stack([labels[0], parts])[:, parts > 0], axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]  # no label in two parts


def test_several_prominences_are_shared_out_as_each_alone():
    rng = np.random.default_rng(0)
    active = torch.from_numpy(ndimage.gaussian_filter(rng.normal(size=(2, 24, 40)), (0, 2, 2)) > 0)
    strength = torch.from_numpy(rng.random((24, 40)))
    both = share_out_by_depth(strength, active, 0.8, [0.2, 0.9])
    for labels, prominence in zip(both, (0.2, 0.9), strict=True):
        assert np.array_equal(labels, share_out_once(strength, active, 0.8, prominence))
    assert count(both[0]) > count(both[1])


@given(arrays(np.int8, (12, 17), elements=st.integers(0, 6)), st.integers(0, 5))
def test_reconstruction_is_the_librarys(mask, drop):
    mask = mask.astype(np.float32)
    expected = reconstruction(mask - drop, mask, footprint=CROSS)
    assert np.array_equal(reconstruct(mask - np.float32(drop), mask), expected)


def test_nothing_active():
    assert not share_out_once(FLAT, torch.zeros_like(DUMBBELL), 0.8, 0.3).any()
