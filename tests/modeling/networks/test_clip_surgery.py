"""CLIP Surgery against its definition, written out head by head."""

import math

import pytest
import torch

from zipseg.modeling.networks.clip_surgery import ClipSurgery, interpolate_positions
from zipseg.utils.errors import ConfigError


def plain_attention(attention, x, values_only):
    """Multi-head attention of [L, C], one head at a time; v for q and k if ``values_only``."""
    q, k, v = (x @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=-1)
    if values_only:
        q = k = v
    width = x.shape[-1] // attention.num_heads
    heads = []
    for h in range(attention.num_heads):
        part = slice(h * width, (h + 1) * width)
        weights = torch.softmax(q[:, part] @ k[:, part].T / math.sqrt(width), dim=-1)
        heads.append(weights @ v[:, part])
    out = attention.out_proj
    return torch.cat(heads, dim=-1) @ out.weight.T + out.bias


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


def plain_surgery(visual, image, blocks):
    """Tokens [1 + N, D] of one normalised image [3, H, W] by the definition."""
    patches = visual.conv1(image[None])[0]
    grid = patches.shape[-2:]
    tokens = torch.cat([visual.class_embedding[None], patches.flatten(1).T])
    tokens = tokens + plain_positions(visual.positional_embedding, visual.grid_size, grid)
    original = visual.ln_pre(tokens)
    new = None
    depth = len(visual.transformer.resblocks)
    for i, block in enumerate(visual.transformer.resblocks):
        if i == depth - blocks:
            new = original.clone()
        if i >= depth - blocks:
            new = new + plain_attention(block.attn, block.ln_1(original), values_only=True)
        original = original + plain_attention(block.attn, block.ln_1(original), values_only=False)
        original = original + block.mlp(block.ln_2(original))
    new[0] = original[0]
    return visual.ln_post(new) @ visual.proj


@pytest.mark.parametrize(("blocks", "size"), [(1, (32, 32)), (3, (64, 64)), (4, (40, 72))])
def test_tokens_are_those_of_the_definition(vit_clip, blocks, size):
    images = torch.randn((2, 3, *size), generator=torch.Generator().manual_seed(0))
    tokens = ClipSurgery(vit_clip.visual, blocks)(images)
    assert tokens.grid == (size[0] // 8, size[1] // 8)
    for b in range(2):
        expected = plain_surgery(vit_clip.visual, images[b], blocks)
        torch.testing.assert_close(tokens.image[b], expected[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(tokens.patch[b], expected[1:], rtol=1e-4, atol=1e-5)


def test_class_token_at_the_native_size_is_open_clips_embedding(vit_clip):
    images = torch.randn((1, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    tokens = ClipSurgery(vit_clip.visual, 2)(images)
    torch.testing.assert_close(tokens.image, vit_clip.encode_image(images), rtol=1e-4, atol=1e-5)


def test_positions_keep_the_class_token_and_native_grid():
    embedding = torch.randn(1 + 12, 5)
    assert interpolate_positions(embedding, (3, 4), (3, 4)) is embedding
    assert torch.equal(interpolate_positions(embedding, (3, 4), (6, 4))[0], embedding[0])


def test_other_towers_and_depths_are_refused(vit_clip, resnet_clip):
    with pytest.raises(ConfigError, match=r"MODEL\.ZIP\.SEMANTIC\.ARCH: .*ModifiedResNet"):
        ClipSurgery(resnet_clip.visual, 2)
    with pytest.raises(ConfigError, match=r"SURGERY_BLOCKS: 5 is not in 1\.\.4"):
        ClipSurgery(vit_clip.visual, 5)
