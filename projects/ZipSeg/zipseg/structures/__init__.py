"""The value types that carry an image through the stages, one way. Imports ``utils`` alone.

``P`` categories judged present, ``[h, w]`` the grid of the boundary features, ``N`` proposals,
``[H, W]`` the asked output size in pixels.
"""

from .activation import Activation
from .masks import Masks, distinct_masks, mask_boxes, mask_ious, resized_mask
from .pieces import Pieces
from .present import Present
from .proposals import Proposals
from .trace import Trace

__all__ = [
    "Activation",
    "Masks",
    "Pieces",
    "Present",
    "Proposals",
    "Trace",
    "distinct_masks",
    "mask_boxes",
    "mask_ious",
    "resized_mask",
]
