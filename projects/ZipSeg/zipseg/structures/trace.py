"""The whole way of one image."""

from typing import NamedTuple

from detectron2.structures import Instances
from torch import Tensor

from .activation import Activation
from .masks import Masks
from .present import Present
from .proposals import Proposals


class Trace(NamedTuple):
    """Everything the stages handed on for one image."""

    present: Present
    activation: Activation
    features: Tensor  # float32 [C, h, w]
    proposals: Proposals  # in pixels of the input image
    masks: Masks  # at the asked size
    instances: Instances  # at the asked size
