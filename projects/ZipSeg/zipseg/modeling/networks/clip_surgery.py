"""CLIP Surgery: a ViT whose patch tokens say where a name is (Li et al., arXiv 2304.05653)."""

from typing import NamedTuple

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...utils.errors import ConfigError


class SurgeryTokens(NamedTuple):
    """Projected tokens of a batch; the patch grid has ``gh`` x ``gw`` tokens."""

    image: Tensor  # float32 [B, D], class token of the original path
    patch: Tensor  # float32 [B, gh * gw, D], patch tokens of the new path
    grid: tuple[int, int]


class ClipSurgery(nn.Module):
    """The two-path pass over an open_clip vision transformer, whose weights are left as they are.

    Args:
        visual: the image tower.
        blocks: how many of its last blocks run the second path.

    Raises:
        ConfigError: the tower is not open_clip's plain vision transformer.
    """

    def __init__(self, visual: nn.Module, blocks: int = 6) -> None:
        super().__init__()
        plain = isinstance(visual, open_clip.transformer.VisionTransformer)
        if not plain or visual.attn_pool is not None or visual.pool_type != "tok":
            raise ConfigError(
                "MODEL.ZIP.SEMANTIC.ARCH",
                "CLIP Surgery needs a plain ViT tower with a class token, not "
                f"{type(visual).__name__}; take for example ViT-B-16",
            )
        depth = len(visual.transformer.resblocks)
        if not 1 <= blocks <= depth:
            raise ConfigError("MODEL.ZIP.SEMANTIC.SURGERY_BLOCKS", f"{blocks} is not in 1..{depth}")
        self.visual = visual
        self.blocks = blocks

    def forward(self, images: Tensor) -> SurgeryTokens:
        """Tokens of normalised images [B, 3, H, W]; H and W need not be the pretraining size."""
        tower = self.visual
        patches = tower.conv1(images)
        grid = patches.shape[-2:]
        patches = patches.flatten(2).transpose(1, 2)
        class_token = tower.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        position = interpolate_positions(tower.positional_embedding, tower.grid_size, grid)
        original = tower.ln_pre(
            torch.cat([class_token, patches], dim=1) + position.to(patches.dtype)
        )

        resblocks = tower.transformer.resblocks
        for block in resblocks[: -self.blocks]:
            original = block(original)
        new = original
        for block in resblocks[-self.blocks :]:
            new = new + block.ls_1(value_attention(block.attn, block.ln_1(original)))
            original = block(original)
        tokens = torch.cat([original[:, :1], new[:, 1:]], dim=1)
        tokens = (tower.ln_post(tokens) @ tower.proj).float()
        return SurgeryTokens(tokens[:, 0], tokens[:, 1:], tuple(grid))


def value_attention(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """softmax(v v^T / sqrt(d)) v and the output projection, for tokens ``x`` [B, L, C]."""
    batch, length, width = x.shape
    value_rows = slice(2 * width, 3 * width)
    bias = None if attention.in_proj_bias is None else attention.in_proj_bias[value_rows]
    value = F.linear(x, attention.in_proj_weight[value_rows], bias)
    value = value.reshape(batch, length, attention.num_heads, -1).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(value, value, value)
    return attention.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))


def interpolate_positions(
    embedding: Tensor, grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    """Positional embeddings [1 + gh * gw, C] (class token first), bilinearly on a new grid."""
    if tuple(grid) == tuple(new_grid):
        return embedding
    first, rest = embedding[:1], embedding[1:]
    rest = rest.reshape(1, *grid, -1).permute(0, 3, 1, 2)
    rest = F.interpolate(rest, size=tuple(new_grid), mode="bilinear", align_corners=False)
    return torch.cat([first, rest[0].flatten(1).T])
