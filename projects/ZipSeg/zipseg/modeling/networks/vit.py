"""open_clip's plain vision transformer, up to any of its blocks and on any grid."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def embed_patches(tower: nn.Module, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """What goes into the first block: tokens [B, 1 + gh * gw, C], class token first, of normalised
    images [B, 3, H, W] of any size, and the patch grid (gh, gw)."""
    patches = tower.conv1(images)
    grid = tuple(patches.shape[-2:])
    patches = patches.flatten(2).transpose(1, 2)
    first = tower.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    position = interpolate_positions(tower.positional_embedding, tower.grid_size, grid)
    return tower.ln_pre(torch.cat([first, patches], dim=1) + position.to(patches.dtype)), grid


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


class VitPrefix(nn.Module):
    """A tower's patch tokens after its first blocks, as a map; the rest of it is not kept.

    Args:
        tower: open_clip's vision transformer.
        blocks: how many of its blocks are run.
    """

    def __init__(self, tower: nn.Module, blocks: int) -> None:
        super().__init__()
        self.grid_size = tower.grid_size
        self.conv1, self.ln_pre = tower.conv1, tower.ln_pre
        self.class_embedding = tower.class_embedding
        self.positional_embedding = tower.positional_embedding
        self.blocks = nn.Sequential(*tower.transformer.resblocks[:blocks])

    def forward(self, images: Tensor) -> Tensor:
        """[B, C, gh, gw] of normalised images [B, 3, H, W]."""
        tokens, grid = embed_patches(self, images)
        return self.blocks(tokens)[:, 1:].transpose(1, 2).unflatten(2, grid)
