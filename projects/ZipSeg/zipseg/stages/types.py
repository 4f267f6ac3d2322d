"""The small value types that carry an image through the stages, one way.

``P`` names judged present, ``[h, w]`` the boundary feature grid, ``F`` fragments, ``N`` objects,
``[H, W]`` the asked output size in pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Present(NamedTuple):
    """The names judged present in one image, best first."""

    category: Tensor  # int64 [P], indices into the list of names
    score: Tensor  # float32 [P] in 0..1, the image-level score S_img


class Activation(NamedTuple):
    """Where each present name is, on the boundary feature grid."""

    similarity: Tensor  # float32 [P, h, w] in 0..1
    active: Tensor  # bool [P, h, w]


class Fragments(NamedTuple):
    """The connected pieces of all clusters; lengths in cells of the feature grid."""

    label: Tensor  # int64 [h, w], 0..F-1
    area: Tensor  # int64 [F]
    box: Tensor  # int64 [F, 4], XYXY with exclusive ends
    radius: Tensor  # float32 [F], of the largest inscribed circle
    share: Tensor  # float32 [P, F] in 0..1, activated cells / all cells


class Objects(NamedTuple):
    """Discovered objects, in grid cells out of discovery and in pixels once ``scaled``."""

    category: Tensor  # int64 [N], indices into Present
    box: Tensor  # float32 [N, 4], XYXY with exclusive ends
    point: Tensor  # float32 [N, 2], XY of a point deep inside the object

    def scaled(self, scale_x: float, scale_y: float) -> "Objects":
        """The same objects with X multiplied by ``scale_x`` and Y by ``scale_y``."""
        scale = self.box.new_tensor([scale_x, scale_y])
        return Objects(self.category, self.box * scale.repeat(2), self.point * scale)

    @classmethod
    def distinct(cls, several: Sequence["Objects"]) -> "Objects":
        """All of several lots, the first of those with the same category and box."""
        category, box, point = (torch.cat(fields) for fields in zip(*several, strict=True))
        rows = torch.cat([category[:, None].to(box), box], dim=1).cpu().numpy()
        first = torch.from_numpy(np.sort(np.unique(rows, axis=0, return_index=True)[1]))
        first = first.to(category.device)
        return cls(category[first], box[first], point[first])

    def to(self, device: torch.device) -> "Objects":
        """The same objects on ``device``."""
        return Objects(*(field.to(device) for field in self))


class Masks(NamedTuple):
    """One mask for each object."""

    mask: Tensor  # bool [N, H, W]
    iou: Tensor  # float32 [N] in 0..1, the IoU the segmenter predicts for its mask
