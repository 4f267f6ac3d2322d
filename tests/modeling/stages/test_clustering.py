"""K-Means label for label against the plain procedure; where it starts."""

import os

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.references.discovery import plain_kmeans

from zipseg.modeling.networks.clip_boundary import ClipBoundary
from zipseg.modeling.stages.clustering import _NearestCentre, grid_centres, kmeans, semantic_centres
from zipseg.structures import Activation

# Six kinds of 30 inputs are compared; ZIPSEG_FULL_SIZE=1 does so at the size of real maps.
FULL_SIZE = bool(os.environ.get("ZIPSEG_FULL_SIZE"))
SIZE = (96, 128) if FULL_SIZE else (24, 32)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def noise(seed, channels=8, h=12, w=15):
    return torch.randn((channels, h, w), generator=generator(seed))


def smooth(seed, channels=8, h=12, w=15):
    coarse = noise(seed, channels, 4, 4)[None]
    return F.interpolate(coarse, (h, w), mode="bicubic")[0].relu() + 0.05 * noise(seed, 1, h, w)


def duplicated(seed, channels=8, h=12, w=15):
    prototypes = torch.randint(-2, 3, (channels, 5), generator=generator(seed)).float()
    return prototypes[:, torch.randint(0, 5, (h, w), generator=generator(seed + 1))]


def integers(seed, channels=2, h=12, w=15):
    """Points on a lattice of powers of two: plenty of exact ties."""
    return torch.randint(0, 3, (channels, h, w), generator=generator(seed)).float()


def clustered(seed, channels=8, h=12, w=15):
    return 2 * duplicated(seed, channels, h, w) + 0.5 * noise(seed, channels, h, w)


def far_from_the_origin(seed, channels=8, h=12, w=15):
    return smooth(seed, channels, h, w) + 1


def start(features, k, seed):
    """Of ten starts one has three more centres at the edge of the points, one has one far away."""
    centres = grid_centres(features, k)
    if seed % 10 == 7:
        return torch.cat([centres, 3 * centres[:3]])
    if seed % 10 == 8:
        return torch.cat([centres, torch.full_like(centres[:1], 1000)])
    return centres


def plain(features, centres, dtype=torch.float64, **kwargs):
    points = features.flatten(1).T.contiguous()
    return plain_kmeans(points.to(dtype), centres.to(dtype), **kwargs)


def same_labels(features, k, **kwargs):
    centres = grid_centres(features, k)
    labels, _ = kmeans(features, centres, **kwargs)
    return torch.equal(labels.flatten(), plain(features, centres, **kwargs))


@settings(max_examples=150, deadline=None)
@given(
    make=st.sampled_from([noise, smooth, duplicated, integers]),
    seed=st.integers(0, 10_000),
    size=st.tuples(st.integers(1, 9), st.integers(1, 17), st.integers(1, 17)),
    k=st.integers(1, 30),
)
def test_labels_are_the_plain_ones_of_features_in_double_precision(make, seed, size, k):
    assert same_labels(make(seed, *size).double(), k)


@pytest.mark.parametrize(
    ("make", "channels", "agreeing"),
    [
        (smooth, 32, 20),
        (noise, 32, 15),
        (clustered, 32, 0 if FULL_SIZE else 15),  # on large maps rounding decides every run
        (far_from_the_origin, 32, 1),
        (duplicated, 8, 15),  # five values for 20 centres
        (integers, 3, 1),  # 27 values, so that most distances tie
    ],
)
def test_labels_are_the_plain_ones_wherever_rounding_does_not_decide(make, channels, agreeing):
    """30 inputs of a kind: where the plain procedure gives the same in single precision."""
    agreed = 0
    for seed in range(30):
        features = make(seed, channels, *SIZE)
        centres = start(features, 20, seed)
        expected = plain(features, centres)
        if torch.equal(plain(features, centres, torch.float32), expected):
            labels = kmeans(features, centres)[0].flatten()
            different = (labels != expected).sum().item()
            assert not different, f"seed {seed}: {different} of {len(labels)}"
            agreed += 1
    assert agreed >= agreeing


def test_labels_are_the_plain_ones_where_the_iterations_end():
    """All centres start at one end of a ramp and are still spreading after 100 iterations."""
    ended = 0
    for seed in range(20):
        features = torch.linspace(0, 30, 900) + 0.1 * noise(seed, 4, 1, 900)
        centres = features[:, 0, :20].T.contiguous()
        expected = plain(features, centres)
        assert torch.equal(kmeans(features, centres)[0].flatten(), expected)
        if seed < 4:
            ended += not torch.equal(plain(features, centres, max_iterations=101), expected)
    assert ended >= 2


@pytest.mark.parametrize("offset", [0, 1, 30])
def test_near_ties_are_decided_in_double_precision(offset):
    """Points that lie between two centres but for their last digits."""
    random = generator(offset)
    centres = torch.randn((6, 64), generator=random) + offset
    pairs = centres[torch.randint(0, 6, (2, 900), generator=random)]
    points = pairs.mean(dim=0) + 1e-7 * torch.randn((900, 64), generator=random)
    labels, _ = kmeans(points, centres, max_iterations=1)
    assert torch.equal(labels, plain(points.T, centres, max_iterations=1))


def test_labels_are_the_plain_ones_on_larger_maps():
    assert same_labels(smooth(3, 96, 40, 50), 20)


def test_labels_are_the_plain_ones_far_from_the_origin():
    """Where |x|^2 - 2 x.c + |c|^2 has no digits left in single precision."""
    assert same_labels(smooth(3, 96, 40, 50) + 100, 20)


@pytest.mark.parametrize("iterations", [1, 2, 3, 10])
def test_labels_are_the_plain_ones_after_any_number_of_iterations(iterations):
    assert same_labels(smooth(4, 32, 30, 40), 12, max_iterations=iterations)


def test_middle_layer_of_a_resnet(resnet_clip):
    """These features differ in their fifth digit only."""
    image = F.interpolate(torch.rand((1, 3, 24, 30), generator=generator(0)), (512, 640))
    features = ClipBoundary(resnet_clip.visual)(image)[0]
    assert same_labels(features, 20)


def test_most_points_are_not_measured_again(monkeypatch):
    features = smooth(0, 64, 60, 70)
    measured = []
    nearest = _NearestCentre._nearest

    def counting(self, distance, cells):
        measured.append(len(cells))
        return nearest(self, distance, cells)

    monkeypatch.setattr(_NearestCentre, "_nearest", counting)
    kmeans(features, grid_centres(features, 20))
    assert len(measured) > 10
    assert sum(measured) < 0.5 * len(measured) * 60 * 70


def test_points_may_come_as_rows():
    features = smooth(1)
    rows = features.flatten(1).T
    assert torch.equal(
        kmeans(rows, rows[:5])[0], kmeans(features, rows[:5].contiguous())[0].flatten()
    )


def test_empty_cluster_keeps_its_centre():
    features = torch.tensor([[0.0, 1.0, 10.0, 11.0]]).reshape(1, 1, 4)
    labels, centres = kmeans(features, torch.tensor([[0.0], [10.0], [500.0]]))
    assert labels.tolist() == [[0, 0, 1, 1]]
    assert centres.flatten().tolist() == [0.5, 10.5, 500.0]


def test_ties_go_to_the_first_centre():
    labels, _ = kmeans(torch.zeros(1, 3, 3), torch.ones(4, 1), max_iterations=1)
    assert not labels.any()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_named(bad):
    features = smooth(0)
    features[2, 3, 4] = bad
    with pytest.raises(ValueError, match="not finite"):
        kmeans(features, grid_centres(smooth(0), 3))


def test_same_bytes_every_time():
    features = smooth(5, 32, 30, 40)
    first, second = (kmeans(features, grid_centres(features, 9)) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_grid_centres_are_the_demos():
    features = noise(0, 3, 7, 9)
    expected = features.flatten(1).T[torch.linspace(0, 62, 5).round().long()]
    assert torch.equal(grid_centres(features, 5), expected)
    assert len(grid_centres(features[:, :2, :2], 20)) == 4


def test_semantic_centres_favour_what_is_activated():
    features = torch.stack(torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij"))
    similarity = torch.zeros(2, 20, 20)
    similarity[0, 2:4, 2:4], similarity[1, 10:14, 10:14] = 0.9, 0.5
    activation = Activation(similarity, similarity > 0.3)
    rows, columns = semantic_centres(features, activation, 13).long().T
    active = activation.active[:, rows, columns].sum(dim=1)
    # Shares of sqrt(4) : sqrt(16) : sqrt(380) of 13, where even spacing would give 0.1 and 0.5.
    assert active.tolist() == [1, 2]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1000),
    names=st.integers(0, 4),
    k=st.integers(1, 40),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_semantic_centres_are_different_cells(seed, names, k, size):
    cells = torch.arange(float(size[0] * size[1])).reshape(1, *size)
    similarity = torch.rand((names, *size), generator=generator(seed))
    centres = semantic_centres(cells, Activation(similarity, similarity > 0.5), k)
    assert 1 <= len(centres) <= k
    assert len(centres.unique(dim=0)) == len(centres)
