"""Points instead of objects: what an activation alone can ask of the segmenter."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ....structures import Activation, Pieces, Proposals
from .. import regions
from ..discovery import DISCOVERY_REGISTRY, Discovery
from ..regrouping import to_proposals, without_small


@DISCOVERY_REGISTRY.register()
@dataclass(frozen=True)
class Points(Discovery):
    """Points on a grid over the activated regions, and the deepest of each connected part.

    The baseline for every discovery, as CLIP Surgery (arXiv 2304.05653) prompts SAM: no boundary
    features are looked at. Boxes are those of the connected parts.

    Args:
        spacing: of the grid, cells.
    """

    SECTIONS: ClassVar = ("DISCOVERY", "POINTS")
    ANY_GRID: ClassVar[bool] = True
    spacing: int = 8

    def __post_init__(self) -> None:
        self._check_least("spacing", 1)

    @property
    def needed_share(self) -> float:
        return 0.01  # a point is enough

    def discover(
        self, features: Tensor, activation: Activation, image_size: tuple[int, int]
    ) -> tuple[Proposals, Pieces]:
        connected, _ = ndimage.label(activation.active.cpu().numpy(), regions.WITHIN_PLANES)
        label = without_small(connected, self.min_area)
        device = features.device
        deepest = to_proposals(label, image_size, device)
        parts = np.unique(label[label > 0])
        grid = np.zeros(label.shape, bool)
        start = self.spacing // 2
        grid[:, start :: self.spacing, start :: self.spacing] = True
        plane, row, column = (grid & (label > 0)).nonzero()
        part = torch.from_numpy(np.searchsorted(parts, label[plane, row, column])).to(device)
        pixels = [size / cells for size, cells in zip(image_size, label.shape[1:], strict=True)]
        point = torch.from_numpy(np.stack([column, row], axis=1) + 0.5).to(device, torch.float32)
        on_grid = replace(deepest[part], point=point * torch.tensor(pixels[::-1], device=device))
        both = Proposals.cat([deepest, on_grid])
        pieces = Pieces(
            torch.zeros(activation.grid, device=device),
            torch.from_numpy(np.searchsorted(parts, label) - (label == 0)).to(device),
            torch.ones(len(parts), dtype=torch.bool, device=device),
        )
        return replace(both, by_point=torch.ones_like(both.by_point)), pieces
