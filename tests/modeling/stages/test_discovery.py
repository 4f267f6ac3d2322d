"""All ways from features to objects; the demo's against the plain procedure."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tests.references.discovery import plain_discover

from zipseg.modeling.stages.clustering import Cluster
from zipseg.modeling.stages.discovery import DISCOVERY_REGISTRY, Clusters
from zipseg.modeling.stages.extensions import Silhouette, Watershed
from zipseg.modeling.stages.fragments import SelectFragments
from zipseg.modeling.stages.regrouping import Regroup
from zipseg.structures import Activation

WAYS = [
    Clusters(),
    Clusters(
        cluster=Cluster(centres="semantic"),
        select=SelectFragments(boundary_rule="inscribed_radius"),
        regroup=Regroup(dilation=1),
    ),
    Watershed(),
    Silhouette(),
]


def discover(features, activation, way):
    """The proposals in cells: of an image whose pixels the cells are."""
    return way(features, activation, activation.grid)[0]


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
    objects = discover(features, activation, Clusters(min_area=10))
    expected = plain_discover(features, activation, min_area=10)
    assert len(expected) > 3
    assert objects.category.tolist() == [each.category for each in expected]
    assert objects.box.tolist() == [list(each.box) for each in expected]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("names", "h", "w"), [(0, 9, 9), (2, 1, 1), (1, 1, 7), (3, 2, 2), (2, 30, 17)]
)
def test_any_size_and_number_of_names(way, names, h, w):
    features, activation = example(0, h=h, w=w, names=names)
    objects = discover(features, activation, replace(way, min_area=1))
    assert objects.box.dtype == objects.point.dtype == torch.float32
    assert objects.box.shape == (len(objects.category), 4)
    assert objects.point.shape == (len(objects.category), 2)
    assert (objects.point > objects.box[:, :2]).all()
    assert (objects.point < objects.box[:, 2:]).all()
    assert set(objects.category.tolist()) <= set(range(names))


@pytest.mark.parametrize("way", WAYS)
def test_nothing_activated_gives_nothing(way):
    features, activation = example(0)
    inactive = Activation(activation.similarity, torch.zeros_like(activation.active))
    assert not len(discover(features, inactive, way))


@pytest.mark.parametrize("way", WAYS)
def test_same_bytes_every_time_and_under_autocast(way):
    features, activation = example(1)
    first = discover(features, activation, way)
    with torch.autocast("cpu"):
        second = discover(features, activation, way)
    assert all(map(torch.equal, vars(first).values(), vars(second).values()))


@pytest.mark.parametrize("way", WAYS)
def test_values_that_are_not_finite_are_named(way):
    features, activation = example(0)
    features[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        discover(features, activation, way)


def test_more_radii_give_more_candidates_each_once():
    features = torch.zeros(2, 20, 40)
    features[0, :, :20], features[1, :, 20:] = 1, 1
    activation = Activation(torch.ones(1, 20, 40), torch.ones(1, 20, 40, dtype=torch.bool))
    parted = Watershed(min_area=1, quantile=0.8, smoothing=0, radii=(2,))
    two = discover(features, activation, parted)
    assert sorted(two.box.tolist()) == [[0, 0, 20, 20], [20, 0, 40, 20]]
    more = discover(features, activation, replace(parted, radii=(2, 2.5, 1000)))
    assert more.box.tolist() == [*two.box.tolist(), [0, 0, 40, 20]]
    assert more.source.tolist() == [0, 0, 2]


def test_a_finer_activation_than_the_features_parts_by_shape_too():
    active = torch.zeros(1, 48, 80, dtype=torch.bool)
    active[0, 8:32, 8:32] = active[0, 8:32, 48:72] = active[0, 18:22, 32:48] = True
    features = torch.ones(3, 12, 20)
    way = Silhouette(min_area=1, quantile=0.8, prominences=(0.5,))
    objects = discover(features, Activation(active.float(), active), way)
    assert sorted(objects.box[:, 0].tolist())[0] == 8
    assert len(objects.box) == 2


def test_proposals_are_in_pixels():
    features, activation = example(0)
    (rows, columns), way = activation.grid, Clusters(min_area=10)
    in_cells, _ = way(features, activation, (rows, columns))
    in_pixels, _ = way(features, activation, (3 * rows, 2 * columns))
    assert len(in_cells) > 3
    assert torch.equal(in_pixels.box, in_cells.box * torch.tensor([2, 3, 2, 3]))
    assert torch.equal(in_pixels.point, in_cells.point * torch.tensor([2, 3]))


@pytest.mark.parametrize("way", WAYS)
def test_objects_are_made_of_the_kept_pieces(way):
    features, activation = example(2)
    proposals, pieces = way(features, activation, activation.grid)
    assert pieces.boundary.shape == activation.grid
    assert pieces.label.max() == len(pieces.kept) - 1
    kept = torch.cat([pieces.kept, torch.tensor([False])])[pieces.label]
    for box, point, category in zip(
        proposals.box.long(), proposals.point.long(), proposals.category, strict=True
    ):
        plane = kept[category if len(kept) > 1 else 0]
        assert plane[point[1], point[0]] or way is WAYS[1]  # which dilates
        assert plane[box[1] : box[3], box[0] : box[2]].any()


def test_clusters_need_the_features_grid():
    features, activation = example(0)
    with pytest.raises(ValueError, match=r"grid \(40, 50\) is not the features' \(39, 50\)"):
        Clusters()(features[:, 1:], activation, (40, 50))


def test_the_registry_has_the_papers_way_and_the_extensions():
    assert {name for name, _ in DISCOVERY_REGISTRY} >= {"Clusters", "Watershed", "Silhouette"}
