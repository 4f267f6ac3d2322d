"""Similarity and activation against the released demo's and CLIP Surgery's own forms."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from zipseg.modeling.stages.activation import Activate, ComparePatches, similarity_among_names


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plain_among_names(tokens, text):
    """The published 4-D form for class token and patches [1 + N, C], patch rows only."""
    weight = ((tokens[:1] @ text.T) * 2).softmax(-1)
    weight = weight / weight.mean(-1, keepdim=True)
    product = tokens[:, None, :] * text[None] * weight.reshape(1, -1, 1)
    return (product - product.mean(dim=1, keepdim=True)).sum(-1)[1:]


def plain_activation(similarity, token_grid, image_size, feature_grid, threshold):
    """The demo: min-max, bilinear to the image, cut at the mean, nearest to the grid."""
    maps = (similarity - similarity.min(0)[0]) / (similarity.max(0)[0] - similarity.min(0)[0])
    maps = maps.reshape(*token_grid, -1).permute(2, 0, 1)[None]
    maps = F.interpolate(maps, image_size, mode="bilinear")[0]
    on_grid = F.interpolate(maps[None], feature_grid, mode="nearest")[0]
    return on_grid, maps.mean(dim=(1, 2)) * threshold


def test_similarity_to_the_empty_text_with_the_demos_norm():
    image, patch, text, empty = randn(8), randn(9, 8, seed=1), randn(5, 8, seed=2), randn(8, seed=3)
    tokens = torch.cat([image[None], patch])
    tokens = tokens / tokens.norm(dim=0, keepdim=True)
    category = torch.tensor([3, 0])
    actual = ComparePatches()(image, patch, text, empty, category)
    torch.testing.assert_close(actual, (tokens @ (text - empty).T)[1:, category])


def test_channel_norm_is_cosine_similarity():
    image, patch, text = randn(8), randn(9, 8, seed=1), F.normalize(randn(5, 8, seed=2), dim=1)
    actual = ComparePatches(norm="channels")(image, patch, text, torch.zeros(8), torch.arange(5))
    torch.testing.assert_close(actual, F.cosine_similarity(patch[:, None], text[None], dim=-1))


@pytest.mark.parametrize("norm", ["tokens", "channels"])
def test_similarity_among_names_is_the_published_form(norm):
    image, patch, text = randn(8), randn(9, 8, seed=1), randn(30, 8, seed=2)
    tokens = torch.cat([image[None], patch])
    tokens = tokens / tokens.norm(dim=0 if norm == "tokens" else 1, keepdim=True)
    category = torch.tensor([7, 2, 29])
    actual = ComparePatches("mean_category", norm)(image, patch, text, torch.zeros(8), category)
    torch.testing.assert_close(
        actual, plain_among_names(tokens, text)[:, category], rtol=1e-4, atol=1e-5
    )
    assert similarity_among_names(image, patch, text).sum(dim=1).abs().max() < 1e-3


@given(
    token_grid=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    image_size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    feature_grid=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 1000),
)
def test_activation_is_the_demos(token_grid, image_size, feature_grid, seed):
    similarity = randn(token_grid[0] * token_grid[1], 3, seed=seed)
    actual = Activate()(similarity, token_grid, image_size, feature_grid)
    expected, cut = plain_activation(similarity, token_grid, image_size, feature_grid, 0.7)
    if len(similarity) == 1:  # the demo divides by zero here
        assert not actual.active.any()
        return
    torch.testing.assert_close(actual.similarity, expected, rtol=1e-4, atol=1e-5)
    clear = (expected - cut[:, None, None]).abs() > 1e-5
    assert torch.equal(actual.active[clear], (expected > cut[:, None, None])[clear])


def test_ties_between_pixels_are_the_demos():
    similarity = randn(2, 1)
    actual = Activate()(similarity, (2, 1), (54, 1), (38, 1)).similarity
    expected, _ = plain_activation(similarity, (2, 1), (54, 1), (38, 1), 0.7)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_no_present_name_and_a_flat_map_activate_nothing():
    assert Activate()(torch.zeros(4, 0), (2, 2), (8, 8), (3, 5)).active.shape == (0, 3, 5)
    assert not Activate()(torch.ones(4, 1), (2, 2), (8, 8), (3, 5)).active.any()


def test_the_floor_and_competition_only_take_cells_away():
    similarity = randn(16, 3)
    plain = Activate()(similarity, (4, 4), (32, 32), (9, 9))
    floor = Activate(min_similarity=0.6)(similarity, (4, 4), (32, 32), (9, 9))
    assert torch.equal(floor.active, plain.active & (plain.similarity > 0.6))
    alone = Activate(exclusive=True)(similarity, (4, 4), (32, 32), (9, 9))
    best = plain.similarity.argmax(dim=0)
    for name in range(3):
        assert torch.equal(alone.active[name], plain.active[name] & (best == name))


def test_a_finer_grid_is_that_of_finer_features():
    similarity = torch.rand(36, 2, generator=torch.Generator().manual_seed(0))
    fine = Activate(fine=2)(similarity, (6, 6), (40, 64), (10, 16))
    expected = Activate()(similarity, (6, 6), (40, 64), (20, 32))
    assert torch.equal(fine.similarity, expected.similarity)
    assert torch.equal(fine.active, expected.active)
