"""An exponential moving average of the weights, the teacher, as a hook of the trainer."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from detectron2.config import CfgNode
from detectron2.engine import HookBase
from torch import Tensor, nn

from ..utils.errors import ConfigError


class EmaTeacher(HookBase):
    """Follows a model's weights and buffers; register it before the hooks that save and evaluate.

    The decay starts low, min(decay, (1 + i) / (10 + i)) at iteration i, so that the average soon
    forgets the random initialisation.

    Args:
        model: the student, not wrapped in DistributedDataParallel.
        decay: in [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.weights = copy_of(model)

    @classmethod
    def from_config(cls, cfg: CfgNode, model: nn.Module) -> "EmaTeacher | None":
        """What ``cfg.TRAINING.EMA`` asks for; None for a decay of 0.

        Raises:
            ConfigError: a decay out of range.
        """
        decay = cfg.TRAINING.EMA.DECAY
        if not 0 <= decay < 1:
            raise ConfigError("TRAINING.EMA.DECAY", f"{decay} is not in [0, 1)")
        return cls(model, decay) if decay else None

    def before_train(self) -> None:
        if self.trainer.start_iter == 0:
            self.weights = copy_of(self.model)  # the checkpoint is loaded after the construction

    def after_step(self) -> None:
        iteration = self.trainer.iter
        follow(self.weights, self.model, min(self.decay, (1 + iteration) / (10 + iteration)))

    def in_place(self) -> AbstractContextManager[None]:
        """While the context lasts the model has the teacher's weights."""
        return weights_of(self.model, self.weights)

    def state_dict(self) -> dict[str, Tensor]:
        """The student's weights; the teacher's are the checkpoint's "model"."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Called when the model has just got the teacher's weights from a checkpoint."""
        self.weights = copy_of(self.model)
        self.model.load_state_dict(state)


@torch.no_grad()
def follow(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    """Moves an average of a model's weights and buffers towards them, in place."""
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


@contextmanager
def weights_of(model: nn.Module, state: dict[str, Tensor]) -> Iterator[None]:
    """While the context lasts the model has other weights."""
    own = copy_of(model)
    model.load_state_dict(state)
    try:
        yield
    finally:
        model.load_state_dict(own)


def copy_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
