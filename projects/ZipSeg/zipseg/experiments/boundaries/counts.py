"""How well boundaries lie where objects touch, and how far objects are cut up inside."""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from .methods import Cuts
from .oracle import Oracle

LARGE = 0.1  # share of an object's cells from which on a piece of it counts


class BoundaryCounts(NamedTuple):
    """Sums over cells and objects; they add up over images."""

    contact_found: int
    contact: int
    interior_hit: int
    interior: int
    pieces: int
    objects: int

    def __add__(self, other: "BoundaryCounts") -> "BoundaryCounts":
        return BoundaryCounts(*(a + b for a, b in zip(self, other, strict=True)))

    def measures(self) -> dict[str, float]:
        """Their ratios.

        Returns:
            ``contact_recall``, the percentage of contact cells within one cell of a boundary;
            ``interior_rate``, the same of interior cells, which is what contact recall would be by
            chance; ``pieces_per_object``, how many segments hold more than ``LARGE`` of an object.
        """
        return {
            "contact_recall": 100 * self.contact_found / max(self.contact, 1),
            "interior_rate": 100 * self.interior_hit / max(self.interior, 1),
            "pieces_per_object": self.pieces / max(self.objects, 1),
        }


NOTHING = BoundaryCounts(0, 0, 0, 0, 0, 0)


def count_boundaries(cuts: Cuts, oracle: Oracle) -> BoundaryCounts:
    """Counts for one image."""
    near = F.max_pool2d(cuts.boundary.float(), 3, 1, 1) > 0
    inside = oracle.label > 0
    segment = cuts.segment.expand_as(oracle.label)[inside].long()
    label = oracle.label[inside]
    area = label.bincount()
    pair, cells = torch.stack([label, segment]).unique(dim=1, return_counts=True)
    return BoundaryCounts(
        int((near & oracle.contact).sum()),
        int(oracle.contact.sum()),
        int((near & oracle.interior).sum()),
        int(oracle.interior.sum()),
        int((cells > LARGE * area[pair[0]]).sum()),
        int((area > 0).sum()),
    )
