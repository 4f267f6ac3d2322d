"""Positional embeddings on other grids, and towers up to a block."""

import pytest
import torch

from zipseg.modeling.networks.clip_dense import ClipDense
from zipseg.modeling.networks.vit import embed_patches, interpolate_positions


def plain_positions(embedding, grid, new_grid):
    """Bilinear interpolation, one output cell at a time (half-pixel centres, clamped borders)."""
    table = embedding[1:].reshape(*grid, -1)
    rows = []
    for y in range(new_grid[0]):
        for x in range(new_grid[1]):
            sy = min(max((y + 0.5) * grid[0] / new_grid[0] - 0.5, 0), grid[0] - 1)
            sx = min(max((x + 0.5) * grid[1] / new_grid[1] - 0.5, 0), grid[1] - 1)
            y0, x0 = int(sy), int(sx)
            y1, x1 = min(y0 + 1, grid[0] - 1), min(x0 + 1, grid[1] - 1)
            fy, fx = sy - y0, sx - x0
            top = table[y0, x0] * (1 - fx) + table[y0, x1] * fx
            bottom = table[y1, x0] * (1 - fx) + table[y1, x1] * fx
            rows.append(top * (1 - fy) + bottom * fy)
    return torch.cat([embedding[:1], torch.stack(rows)])


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (40, 72)])
def test_tokens_have_the_positions_of_their_own_grid(vit_clip, size):
    tower = vit_clip.visual
    images = torch.randn((2, 3, *size), generator=torch.Generator().manual_seed(0))
    tokens, grid = embed_patches(tower, images)
    assert grid == (size[0] // 8, size[1] // 8)
    position = plain_positions(tower.positional_embedding, tower.grid_size, grid)
    for image, found in zip(images, tokens, strict=True):
        patches = tower.conv1(image[None])[0].flatten(1).T
        expected = tower.ln_pre(torch.cat([tower.class_embedding[None], patches]) + position)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_class_token_at_the_native_size_is_open_clips_embedding(vit_clip):
    images = torch.randn((1, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    tokens = ClipDense(vit_clip.visual, surgery_blocks=2)(images)
    torch.testing.assert_close(tokens.image, vit_clip.encode_image(images), rtol=1e-4, atol=1e-5)


def test_positions_keep_the_class_token_and_native_grid():
    embedding = torch.randn(1 + 12, 5)
    assert interpolate_positions(embedding, (3, 4), (3, 4)) is embedding
    assert torch.equal(interpolate_positions(embedding, (3, 4), (6, 4))[0], embedding[0])
