"""The released demo's boxes from the fast stages, on features and activations at random."""

import pytest
import torch
import torch.nn.functional as F
from tests.references.discovery import plain_discover

from zipseg.modeling.stages.discovery import Clusters
from zipseg.modeling.stages.fragments import SelectFragments
from zipseg.structures import Activation


def demo(min_area, most_common=20):
    return Clusters(min_area, select=SelectFragments(most_common=most_common))


def example(seed, channels=32, h=36, w=48):
    """Smooth noise, and two names whose regions almost every cluster reaches into."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn((1, channels, 9, 12), generator=generator)
    similarity = torch.rand((1, 2, 6, 8), generator=generator)
    features, similarity = (
        F.interpolate(each, (h, w), mode="bicubic")[0] for each in (features, similarity)
    )
    return features, Activation(similarity, similarity > 0.5)


def boxes(discover, features, activation):
    """In cells: of an image whose pixels the cells are."""
    objects, _ = discover(features, activation, activation.grid)
    return sorted(zip(objects.category.tolist(), map(tuple, objects.box.tolist()), strict=True))


def plain_boxes(*args, **kwargs):
    return sorted((each.category, each.box) for each in plain_discover(*args, **kwargs))


def test_boxes_are_the_demos():
    found = changed = 0
    for seed in range(32):
        features, activation = example(seed)
        got = boxes(demo(10), features, activation)
        expected = plain_boxes(features, activation, min_area=10)
        assert got == expected, f"seed {seed}"
        found += len(expected)
        changed += boxes(demo(10, most_common=0), features, activation) != expected
    assert found > 60
    assert changed >= 2  # the values that are not among the most common make a difference


@pytest.mark.parametrize("most_common", [1, 3, 8])
def test_fewer_common_values(most_common):
    features, activation = example(0)
    got = boxes(demo(1, most_common), features, activation)
    assert got == plain_boxes(features, activation, min_area=1, most_common=most_common)
    assert got != boxes(demo(1), features, activation)
