"""What discovery hands to the segmenter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import torch
from torch import Tensor

from .checked import Rows


@dataclass(frozen=True, eq=False)
class Proposals(Rows):
    """N discovered objects, in pixels of the image.

    Attributes:
        category: places in ``Present``, int64 [N].
        box: XYXY with exclusive ends, float [N, 4].
        point: XY of a point deep inside the object, float [N, 2].
        source: which of the levels of its method, or of several methods, found it, 0 for the first,
            int64 [N].
        by_point: whether the segmenter is to be prompted with the point alone, for the box is not
            the object's, bool [N].
    """

    category: Annotated[Tensor, "N", int]
    box: Annotated[Tensor, "N 4", float]
    point: Annotated[Tensor, "N 2", float]
    source: Annotated[Tensor, "N", int]
    by_point: Annotated[Tensor, "N", bool]

    @classmethod
    def distinct(cls, several: Sequence[Self]) -> Self:
        """All of several, the first of those with the same category and prompt."""
        together = cls.cat(several)
        prompt = torch.where(together.by_point[:, None], together.point.repeat(1, 2), together.box)
        kind = torch.stack([together.category, together.by_point.long()], dim=1)
        rows = torch.cat([kind.to(prompt), prompt], dim=1)
        first = np.sort(np.unique(rows.cpu().numpy(), axis=0, return_index=True)[1])
        return together[torch.from_numpy(first).to(together.box.device)]
