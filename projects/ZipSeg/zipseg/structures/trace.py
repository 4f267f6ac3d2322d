"""The whole way of one image."""

from dataclasses import dataclass
from typing import Annotated

from detectron2.structures import Instances
from torch import Tensor

from .activation import Activation
from .checked import Checked
from .masks import Masks
from .pieces import Pieces
from .present import Present
from .proposals import Proposals


@dataclass(frozen=True, eq=False)
class Trace(Checked):
    """Everything the stages handed on for one image.

    Attributes:
        features: of the boundary network, float [C, h, w].
        proposals: in pixels of the input image.
        masks: of the proposals, at the asked size.
        instances: at the asked size.

    Raises:
        ValueError: values that do not belong together.
    """

    present: Present
    activation: Activation
    features: Annotated[Tensor, "C h w", float]
    proposals: Proposals
    pieces: Pieces
    masks: Masks
    instances: Instances

    def __post_init__(self) -> None:
        super().__post_init__()
        for one, other in (("present", "activation"), ("proposals", "masks")):
            counts = len(getattr(self, one)), len(getattr(self, other))
            if counts[0] != counts[1]:
                raise ValueError(f"Trace: {counts[0]} {one} and {counts[1]} {other}")
