"""Every dense path against its equations, written out token by token and head by head."""

import math

import pytest
import torch

from zipseg.modeling.networks.clip_dense import ClipDense
from zipseg.modeling.networks.dense_paths import DENSE_PATH_REGISTRY
from zipseg.utils.errors import ConfigError

PATHS = sorted(name for name, _ in DENSE_PATH_REGISTRY)


def plain_heads(block, tokens):
    """q, k and v [L, d] of each head for normalised tokens [L, C]."""
    joint = tokens @ block.attn.in_proj_weight.T + block.attn.in_proj_bias
    width = tokens.shape[-1]
    d = width // block.attn.num_heads
    for h in range(block.attn.num_heads):
        yield tuple(joint[:, i * width + h * d : i * width + (h + 1) * d] for i in range(3))


def plain_weights(kind, q, k, v, grid):
    """Attention [L, L], a pair of tokens at a time."""
    length, d = q.shape

    def softmax_of(a, bias=None):
        scores = torch.zeros(length, length)
        for i in range(length):
            for j in range(length):
                scores[i, j] = a[0][i] @ a[1][j] / math.sqrt(d)
                if bias is not None and i > 0 and j > 0:  # token 0 is the class's
                    (y, x), (t, s) = divmod(i - 1, grid[1]), divmod(j - 1, grid[1])
                    scores[i, j] += math.exp(-((y - t) ** 2 + (x - s) ** 2) / (2 * bias**2))
        return scores.exp() / scores.exp().sum(dim=1, keepdim=True)

    return {
        "plain": lambda: softmax_of((q, k)),
        "surgery": lambda: softmax_of((v, v)),
        "maskclip": lambda: torch.eye(length),
        "sclip": lambda: softmax_of((q, q)) + softmax_of((k, k)),
        "clearclip": lambda: softmax_of((q, q)),
        "naclip": lambda: softmax_of((k, k), bias=5.0),
    }[kind]()


def plain_attention(kind, block, tokens, grid):
    heads = [
        plain_weights(kind, q, k, v, grid) @ v for q, k, v in plain_heads(block, block.ln_1(tokens))
    ]
    return torch.cat(heads, dim=-1) @ block.attn.out_proj.weight.T + block.attn.out_proj.bias


def plain_block(block, tokens, kind, grid):
    tokens = tokens + plain_attention(kind, block, tokens, grid)
    return tokens + block.mlp(block.ln_2(tokens))


def plain_tokens(visual, image, kind, blocks):
    """[1 + N, D] of one normalised image of the tower's own size, by the definitions."""
    patches = visual.conv1(image[None])[0]
    grid = tuple(patches.shape[-2:])
    tokens = torch.cat([visual.class_embedding[None], patches.flatten(1).T])
    original = visual.ln_pre(tokens + visual.positional_embedding)
    dense = None
    for i, block in enumerate(visual.transformer.resblocks):
        left = len(visual.transformer.resblocks) - i
        if kind == "surgery" and left <= blocks:
            dense = (original if dense is None else dense) + plain_attention(
                kind, block, original, grid
            )
        elif left == 1 and kind in ("clearclip", "naclip"):
            dense = plain_attention(kind, block, original, grid)
        elif left == 1:
            dense = plain_block(block, original, kind, grid)
        original = plain_block(block, original, "plain", grid)
    dense[0] = original[0]
    return visual.ln_post(dense) @ visual.proj


@pytest.mark.parametrize("path", PATHS)
def test_tokens_are_those_of_the_equations(path, vit_clip):
    images = torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    tokens = ClipDense(vit_clip.visual, path, surgery_blocks=3)(images)
    assert tokens.grid == (4, 4)
    for b in range(2):
        expected = plain_tokens(vit_clip.visual, images[b], path, 3)
        torch.testing.assert_close(tokens.image[b], expected[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(tokens.patch[b], expected[1:], rtol=1e-4, atol=1e-5)


def test_paths_differ_and_leave_the_class_token_alone(vit_clip):
    images = torch.randn((1, 3, 40, 72), generator=torch.Generator().manual_seed(0))
    tokens = [ClipDense(vit_clip.visual, path, surgery_blocks=1)(images) for path in PATHS]
    for i, one in enumerate(tokens):
        assert one.grid == (5, 9)
        torch.testing.assert_close(one.image, tokens[0].image)
        for other in tokens[:i]:
            assert (one.patch - other.patch).abs().max() > 1e-3


def test_images_of_any_size_are_squeezed_to_one(vit_clip):
    clip = ClipDense(vit_clip.visual, surgery_blocks=2, size=48)
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in ((30, 70), (9, 4))]
    first, second = clip.encode(images)
    assert first.patch.shape == second.patch.shape == (36, 24)
    torch.testing.assert_close(clip.encode(images[1:])[0].patch, second.patch, rtol=1e-4, atol=1e-5)
    assert clip.encode([]) == []


def test_other_towers_depths_and_paths_are_refused(vit_clip, resnet_clip):
    with pytest.raises(ConfigError, match=r"MODEL\.ZIP\.SEMANTIC\.ARCH: .*ModifiedResNet"):
        ClipDense(resnet_clip.visual)
    with pytest.raises(ConfigError, match=r"SURGERY_BLOCKS: 5 is not in 1\.\.4"):
        ClipDense(vit_clip.visual, surgery_blocks=5)
    with pytest.raises(
        ConfigError, match=r"PATH: 'none' is not one of: clearclip, maskclip, naclip, sclip, surg"
    ):
        ClipDense(vit_clip.visual, "none", surgery_blocks=1)
