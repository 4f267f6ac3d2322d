"""What discovery hands to the segmenter."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Proposals(NamedTuple):
    """Discovered objects, in grid cells out of discovery and in pixels once ``scaled``."""

    category: Tensor  # int64 [N], indices into Present
    box: Tensor  # float32 [N, 4], XYXY with exclusive ends
    point: Tensor  # float32 [N, 2], XY of a point deep inside the object

    def scaled(self, scale_x: float, scale_y: float) -> "Proposals":
        """The same proposals with X multiplied by ``scale_x`` and Y by ``scale_y``."""
        scale = self.box.new_tensor([scale_x, scale_y])
        return Proposals(self.category, self.box * scale.repeat(2), self.point * scale)

    @classmethod
    def distinct(cls, several: Sequence["Proposals"]) -> "Proposals":
        """All of several lots, the first of those with the same category and box."""
        category, box, point = (torch.cat(fields) for fields in zip(*several, strict=True))
        rows = torch.cat([category[:, None].to(box), box], dim=1).cpu().numpy()
        first = torch.from_numpy(np.sort(np.unique(rows, axis=0, return_index=True)[1]))
        first = first.to(category.device)
        return cls(category[first], box[first], point[first])

    def to(self, device: torch.device) -> "Proposals":
        """The same proposals on ``device``."""
        return Proposals(*(field.to(device) for field in self))
