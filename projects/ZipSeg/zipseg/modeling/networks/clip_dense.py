"""A CLIP whose patch tokens say where a name is, next to the class token of the CLIP as it is."""

from collections.abc import Sequence
from typing import NamedTuple

import open_clip
import torch
from torch import Tensor, nn

from ...utils.errors import ConfigError
from .dense_paths import DENSE_PATH_REGISTRY
from .preprocess import normalise, resize_square
from .vit import embed_patches

KEY = "MODEL.ZIP.SEMANTIC"


class DenseTokens(NamedTuple):
    """Projected tokens of one image or a batch; the patch grid has ``gh`` x ``gw`` tokens."""

    image: Tensor  # float32 [..., D], class token of the network as it is
    patch: Tensor  # float32 [..., gh * gw, D], patch tokens of the dense path
    grid: tuple[int, int]


class ClipDense(nn.Module):
    """An open_clip vision transformer with a second path through its last blocks; its weights are
    left as they are.

    Args:
        visual: the image tower.
        path: a name of ``DENSE_PATH_REGISTRY``.
        surgery_blocks: how many of the last blocks ``surgery`` goes through.
        size: side of the square that images are squeezed to, pixels.

    Raises:
        ConfigError: the tower is not open_clip's plain vision transformer, it has fewer blocks, or
            there is no such path.
    """

    def __init__(
        self, visual: nn.Module, path: str = "surgery", surgery_blocks: int = 6, size: int = 512
    ) -> None:
        super().__init__()
        plain = isinstance(visual, open_clip.transformer.VisionTransformer)
        if not plain or visual.attn_pool is not None or visual.pool_type != "tok":
            raise ConfigError(
                f"{KEY}.ARCH",
                "dense tokens need a plain ViT tower with a class token, not "
                f"{type(visual).__name__}; take for example ViT-B-16",
            )
        if path not in DENSE_PATH_REGISTRY:
            known = ", ".join(sorted(name for name, _ in DENSE_PATH_REGISTRY))
            raise ConfigError(f"{KEY}.PATH", f"'{path}' is not one of: {known}")
        depth = len(visual.transformer.resblocks)
        if path == "surgery" and not 1 <= surgery_blocks <= depth:
            raise ConfigError(f"{KEY}.SURGERY_BLOCKS", f"{surgery_blocks} is not in 1..{depth}")
        self.visual = visual
        self.size = size
        self.blocks = surgery_blocks if path == "surgery" else 1
        self._path = DENSE_PATH_REGISTRY.get(path)

    def encode(self, images: Sequence[Tensor]) -> list[DenseTokens]:
        """Tokens of RGB images, uint8 [3, H, W] of any sizes, in one pass."""
        if not images:
            return []
        tokens = self(normalise(torch.stack([resize_square(each, self.size) for each in images])))
        return [DenseTokens(*each, tokens.grid) for each in zip(*tokens[:2], strict=True)]

    def forward(self, images: Tensor) -> DenseTokens:
        """Tokens of normalised images [B, 3, H, W]; H and W need not be the pretraining size."""
        original, grid = embed_patches(self.visual, images)
        blocks = self.visual.transformer.resblocks
        for block in blocks[: -self.blocks]:
            original = block(original)
        path = original
        for block in blocks[-self.blocks :]:
            path = self._path(block, original, path, grid)
            original = block(original)
        tokens = torch.cat([original[:, :1], path[:, 1:]], dim=1)
        tokens = (self.visual.ln_post(tokens) @ self.visual.proj).float()
        return DenseTokens(tokens[:, 0], tokens[:, 1:], grid)
