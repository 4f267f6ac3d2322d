"""Points over the activated regions, and several ways of discovery at once."""

import pytest
import torch

from zipseg.modeling.stages.extensions import Points, Silhouette
from zipseg.modeling.stages.pool import Pool
from zipseg.modeling.stages.stage import ConstantError
from zipseg.structures import Activation


@pytest.fixture
def activation() -> Activation:
    active = torch.zeros(2, 24, 32, dtype=torch.bool)
    active[0, 2:14, 2:20] = True
    active[0, 18:22, 25:28] = True  # no point of the grid is in it
    active[1, 5, 5] = True  # too small
    return Activation(active.float(), active)


def test_points_lie_on_a_grid_and_in_every_part(activation):
    features = torch.ones(3, 12, 16)
    proposals, pieces = Points(min_area=4, spacing=8)(features, activation, (48, 96))
    assert proposals.by_point.all()
    assert proposals.category.unique().tolist() == [0]
    x, y = proposals.point.T
    cell = (y / 2).long(), (x / 3).long()
    assert activation.active[0][cell].all()
    on_grid = {(r, c) for r, c in zip(*(v.tolist() for v in cell), strict=True)}
    assert {(4, 4), (4, 12), (12, 4), (12, 12)} <= on_grid
    assert any(r >= 18 for r, _ in on_grid)
    assert len(proposals) == 2 + 4
    assert proposals.box[-1].tolist() == [6, 4, 60, 28]
    assert pieces.label.shape == (2, 24, 32)
    assert sorted(pieces.label.unique().tolist()) == [-1, 0, 1]


def test_nothing_active_asks_nothing():
    active = torch.zeros(1, 8, 8, dtype=torch.bool)
    found, pieces = Points()(torch.ones(3, 8, 8), Activation(active.float(), active), (8, 8))
    assert len(found) == 0
    assert len(pieces.kept) == 0


def test_a_pool_has_the_proposals_of_all_with_sources_of_their_own(activation):
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(3, 12, 16, generator=generator)
    ways = Silhouette(min_area=4, prominences=(0.2, 0.6)), Points(min_area=4)
    both, pieces = Pool(ways=ways)(features, activation, (48, 96))
    first, own_pieces = ways[0](features, activation, (48, 96))
    second, _ = ways[1](features, activation, (48, 96))
    assert len(both) == len(first) + len(second)
    assert torch.equal(both.box[~both.by_point], first.box)
    assert int(both.source[both.by_point].min()) > int(first.source.max())
    assert torch.equal(pieces.label, own_pieces.label)


def test_a_level_above_the_activations_threshold_looks_at_parts_of_its_regions(activation):
    similarity = torch.where(activation.active, 0.5, 0.0)
    similarity[0, 2:14, 2:8] = 0.8  # two cores of one region
    similarity[0, 2:14, 14:20] = 0.9
    regions = Activation(similarity, activation.active)
    way = Silhouette(min_area=4)
    features = torch.ones(3, 12, 16)
    proposals, pieces = Pool(ways=(way,), levels=(0.6, 0.85))(features, regions, (24, 32))
    alone, own_pieces = way(features, regions, (24, 32))
    boxes = proposals.box.tolist()
    assert boxes[: len(alone)] == alone.box.tolist()
    assert boxes[len(alone) :] == [[2, 2, 8, 14], [14, 2, 20, 14]]  # the second level's is no other
    assert proposals.source[len(alone) :].unique().tolist() == [1]
    assert torch.equal(pieces.label, own_pieces.label)
    with pytest.raises(ConstantError, match="levels"):
        Pool(ways=(way,), levels=(0.5, 40.0))


def test_a_level_below_the_activations_threshold_looks_beyond_it(activation):
    similarity = torch.where(activation.active, 0.6, 0.0)
    similarity[1, 3:9, 3:9] = 0.4  # not active, but for one cell that is too small
    similarity[1, 5, 5] = 0.6
    way, features = Silhouette(min_area=4), torch.ones(3, 12, 16)
    regions = Activation(similarity, activation.active)
    proposals, _ = Pool(ways=(way,), levels=(0.3,))(features, regions, (24, 32))
    alone, _ = way(features, regions, (24, 32))
    assert 1 not in alone.category
    assert proposals[len(alone) :].category.tolist() == [1]
    assert proposals.box[len(alone) :].tolist() == [[3, 3, 9, 9]]
