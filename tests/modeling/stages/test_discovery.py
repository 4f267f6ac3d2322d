"""Both ways from features to objects; the demo's against the plain procedure."""

import pytest
import torch
import torch.nn.functional as F
from tests.references.discovery import plain_discover

from zipseg.modeling.stages.discovery import DiscoverySettings, discover
from zipseg.structures import Activation

WAYS = [
    DiscoverySettings(),
    DiscoverySettings(centres="semantic", boundary_rule="inscribed_radius", grow=1),
    DiscoverySettings(method="watershed"),
    DiscoverySettings(method="silhouette"),
]


def example(seed, channels=24, h=40, w=50, names=3):
    generator = torch.Generator().manual_seed(seed)
    fields = [
        F.interpolate(torch.randn((1, count, 6, 7), generator=generator), (h, w), mode="bicubic")[0]
        for count in (channels, names or 1)
    ]
    similarity = fields[1][:names].sigmoid()
    return fields[0].relu(), Activation(similarity, similarity > 0.55)


@pytest.mark.parametrize("seed", range(4))
def test_objects_are_those_of_the_plain_procedure(seed):
    features, activation = example(seed)
    objects = discover(features, activation, DiscoverySettings(min_area=10))
    expected = plain_discover(features, activation, min_area=10)
    assert len(expected) > 3
    assert objects.category.tolist() == [each.category for each in expected]
    assert objects.box.tolist() == [list(each.box) for each in expected]


@pytest.mark.parametrize("settings", WAYS)
@pytest.mark.parametrize(
    ("names", "h", "w"), [(0, 9, 9), (2, 1, 1), (1, 1, 7), (3, 2, 2), (2, 30, 17)]
)
def test_any_size_and_number_of_names(settings, names, h, w):
    features, activation = example(0, h=h, w=w, names=names)
    objects = discover(features, activation, settings._replace(min_area=1))
    assert objects.box.dtype == objects.point.dtype == torch.float32
    assert objects.box.shape == (len(objects.category), 4)
    assert objects.point.shape == (len(objects.category), 2)
    assert (objects.point > objects.box[:, :2]).all()
    assert (objects.point < objects.box[:, 2:]).all()
    assert set(objects.category.tolist()) <= set(range(names))


@pytest.mark.parametrize("settings", WAYS)
def test_nothing_activated_gives_nothing(settings):
    features, activation = example(0)
    inactive = Activation(activation.similarity, torch.zeros_like(activation.active))
    assert not len(discover(features, inactive, settings).box)


@pytest.mark.parametrize("settings", WAYS)
def test_same_bytes_every_time_and_under_autocast(settings):
    features, activation = example(1)
    first = discover(features, activation, settings)
    with torch.autocast("cpu"):
        second = discover(features, activation, settings)
    assert all(map(torch.equal, first, second))


@pytest.mark.parametrize("settings", WAYS)
def test_values_that_are_not_finite_are_named(settings):
    features, activation = example(0)
    features[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        discover(features, activation, settings)


def test_more_radii_give_more_candidates_each_once():
    features = torch.zeros(2, 20, 40)
    features[0, :, :20], features[1, :, 20:] = 1, 1
    activation = Activation(torch.ones(1, 20, 40), torch.ones(1, 20, 40, dtype=torch.bool))
    parted = DiscoverySettings("watershed", min_area=1, quantile=0.8, radius=2, smoothing=0)
    two = discover(features, activation, parted)
    assert sorted(two.box.tolist()) == [[0, 0, 20, 20], [20, 0, 40, 20]]
    more = discover(features, activation, parted._replace(more_radii=(2.5, 1000.0)))
    assert more.box.tolist() == [*two.box.tolist(), [0, 0, 40, 20]]


def test_a_finer_activation_than_the_features_parts_by_shape_too():
    active = torch.zeros(1, 48, 80, dtype=torch.bool)
    active[0, 8:32, 8:32] = active[0, 8:32, 48:72] = active[0, 18:22, 32:48] = True
    features = torch.ones(3, 12, 20)
    settings = DiscoverySettings("silhouette", min_area=1, quantile=0.8, prominence=0.5)
    objects = discover(features, Activation(active.float(), active), settings)
    assert sorted(objects.box[:, 0].tolist())[0] == 8
    assert len(objects.box) == 2
