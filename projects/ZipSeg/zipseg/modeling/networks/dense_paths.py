"""What CLIP's patch tokens become in the last blocks, so that they say where a name is.

CLIP is trained on its class token alone: its patch tokens take on the image as a whole in the last
blocks. Each path here avoids that with the weights as they are. All but ``surgery`` change the last
block only. A path is called for one block after another.
"""

import torch
import torch.nn.functional as F
from fvcore.common.registry import Registry
from torch import Tensor, nn

DENSE_PATH_REGISTRY = Registry("DENSE_PATH")
DENSE_PATH_REGISTRY.__doc__ = """Paths by ``MODEL.ZIP.SEMANTIC.PATH``.

A path takes a residual attention block of open_clip, the tokens [B, 1 + N, C] (class token first)
that go into it in the network as it is, those of the path so far (the same at first) and the patch
grid; it returns the tokens of the path after the block.
"""

QUERY, KEY, VALUE = range(3)  # in the order of the joint projection
NEIGHBOURHOOD = 5.0  # NACLIP's standard deviation, patches


@DENSE_PATH_REGISTRY.register()
def surgery(block: nn.Module, original: Tensor, path: Tensor, grid: tuple[int, int]) -> Tensor:
    """CLIP Surgery (Li et al., arXiv 2304.05653): x + A(v, v) of the untouched network's tokens, no
    MLP. Its depth is ``MODEL.ZIP.SEMANTIC.SURGERY_BLOCKS``."""
    (value,) = _heads(block, original, VALUE)
    return path + _projected(block, _attention(value, value))


@DENSE_PATH_REGISTRY.register()
def maskclip(block: nn.Module, original: Tensor, path: Tensor, grid: tuple[int, int]) -> Tensor:
    """MaskCLIP (Zhou et al., arXiv 2112.01071): each token attends to itself alone."""
    (value,) = _heads(block, path, VALUE)
    return _with_mlp(block, path + _projected(block, value))


@DENSE_PATH_REGISTRY.register()
def sclip(block: nn.Module, original: Tensor, path: Tensor, grid: tuple[int, int]) -> Tensor:
    """SCLIP (Wang et al., arXiv 2312.01597): correlative self-attention,
    (softmax(q q^T / sqrt(d)) + softmax(k k^T / sqrt(d))) v."""
    query, key, value = _heads(block, path, QUERY, KEY, VALUE)
    mixed = _attention(query, value) + _attention(key, value)
    return _with_mlp(block, path + _projected(block, mixed))


@DENSE_PATH_REGISTRY.register()
def clearclip(block: nn.Module, original: Tensor, path: Tensor, grid: tuple[int, int]) -> Tensor:
    """ClearCLIP (Lan et al., arXiv 2407.12442): softmax(q q^T / sqrt(d)) v alone, neither
    residual connection nor MLP."""
    query, value = _heads(block, path, QUERY, VALUE)
    return _projected(block, _attention(query, value))


@DENSE_PATH_REGISTRY.register()
def naclip(block: nn.Module, original: Tensor, path: Tensor, grid: tuple[int, int]) -> Tensor:
    """NACLIP (Hajimiri et al., arXiv 2404.08181): softmax(k k^T / sqrt(d) + w) v with w a Gaussian
    of the distance between patches, 1 at its centre; neither residual connection nor MLP."""
    key, value = _heads(block, path, KEY, VALUE)
    near = neighbourhood(grid, key)
    return _projected(block, _attention(key, value, F.pad(near, (1, 0, 1, 0))))


def neighbourhood(grid: tuple[int, int], like: Tensor) -> Tensor:
    """exp(-r^2 / (2 s^2)) for all pairs of patches [N, N] at distance r, s = ``NEIGHBOURHOOD``."""
    rows, columns = (_gaussian(size, like) for size in grid)
    return torch.kron(rows, columns)


def _gaussian(size: int, like: Tensor) -> Tensor:
    place = torch.arange(size, device=like.device, dtype=torch.float32)
    away = place[:, None] - place
    return torch.exp(-away.square() / (2 * NEIGHBOURHOOD**2)).to(like.dtype)


def _heads(block: nn.Module, tokens: Tensor, *wanted: int) -> list[Tensor]:
    """Those wanted of ``QUERY``, ``KEY`` and ``VALUE``, [B, heads, L, d] each."""
    attention, normed = block.attn, block.ln_1(tokens)
    weight = attention.in_proj_weight.chunk(3)
    bias = (None,) * 3 if attention.in_proj_bias is None else attention.in_proj_bias.chunk(3)
    return [
        F.linear(normed, weight[part], bias[part])
        .unflatten(-1, (attention.num_heads, -1))
        .transpose(1, 2)
        for part in wanted
    ]


def _attention(similar: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(s s^T / sqrt(d) + bias) v, all [B, heads, L, d]."""
    return F.scaled_dot_product_attention(similar, similar, value, attn_mask=bias)


def _projected(block: nn.Module, mixed: Tensor) -> Tensor:
    """Heads [B, heads, L, d] joined and projected, [B, L, C]."""
    return block.ls_1(block.attn.out_proj(mixed.transpose(1, 2).flatten(2)))


def _with_mlp(block: nn.Module, tokens: Tensor) -> Tensor:
    return tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
