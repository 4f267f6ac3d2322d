"""The soft-boundary alternative against cell-by-cell forms and drawn cases."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from zipseg.modeling.stages.boundaries import boundary_strength
from zipseg.modeling.stages.extensions.watershed import share_out


def share_out_once(strength, active, quantile=0.75, radius=3.5) -> np.ndarray:
    (label,) = share_out(strength, active, quantile, [radius])
    return label


def two_blobs():
    """Strength with a ridge down the middle of one activated region [1, 20, 40]."""
    strength = torch.zeros(20, 40)
    strength[:, 19:21] = 1.0
    return strength, torch.ones(1, 20, 40, dtype=torch.bool)


def test_strength_is_the_mean_dissimilarity_to_the_neighbours():
    features = torch.randn((6, 5, 7), generator=torch.Generator().manual_seed(0))
    expected = np.zeros((5, 7))
    for i, j in np.ndindex(5, 7):
        around = [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
        around = [(y, x) for y, x in around if 0 <= y < 5 and 0 <= x < 7]
        expected[i, j] = np.mean(
            [1 - F.cosine_similarity(features[:, i, j], features[:, y, x], 0) for y, x in around]
        )
    np.testing.assert_allclose(boundary_strength(features, 0), expected, atol=1e-5)
    smoothed = ndimage.gaussian_filter(expected, 1.5)
    np.testing.assert_allclose(boundary_strength(features, 1.5), smoothed, atol=1e-5)


def test_a_ridge_parts_a_region():
    label = share_out_once(*two_blobs(), 0.9, 2)
    assert label.shape == (1, 20, 40)
    left, right = label[0, 10, 5], label[0, 10, 35]
    assert left != right
    assert (label[0, :, :19] == left).all()
    assert (label[0, :, 21:] == right).all()


def test_several_radii_are_shared_out_as_each_alone():
    both = share_out(*two_blobs(), 0.9, [2, 30])
    assert [len(np.unique(label[label > 0])) for label in both] == [2, 1]
    for label, radius in zip(both, (2, 30), strict=True):
        assert np.array_equal(label, share_out_once(*two_blobs(), 0.9, radius))


def test_names_do_not_touch_each_others_regions():
    strength, active = two_blobs()
    active = torch.cat([active, active, active])
    active[1, :, 25:] = False
    active[2] = False
    together = share_out_once(strength, active, 0.9, 2)
    for plane, each in enumerate(active):
        alone = share_out_once(strength, each[None], 0.9, 2)[0]
        pairs = {*zip(together[plane].ravel().tolist(), alone.ravel().tolist(), strict=True)}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        np.testing.assert_array_equal(together[plane] > 0, each)


def test_a_region_too_thin_for_a_core_is_one_object():
    strength, active = two_blobs()
    active[:, 3:] = False
    active[:, :, 25:] = False
    label = share_out_once(strength, active, 0.9, 30)
    assert len(np.unique(label[label > 0])) == 1


@pytest.mark.parametrize("shape", [(0, 4, 5), (2, 4, 5), (1, 1, 1)])
def test_nothing_activated(shape):
    label = share_out_once(torch.rand(shape[1:]), torch.zeros(shape, dtype=torch.bool))
    assert label.shape == shape
    assert not label.any()


def test_one_cell():
    strength = boundary_strength(torch.ones(3, 1, 1))
    assert strength.tolist() == [[0.0]]
    assert share_out_once(strength, torch.ones(1, 1, 1, dtype=torch.bool)).tolist() == [[[1]]]


def test_values_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match="not finite"):
        boundary_strength(torch.full((3, 4, 4), torch.nan))
