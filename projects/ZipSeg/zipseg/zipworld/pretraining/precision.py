"""Which arithmetic is fastest here: measured once on the training's own step."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)


class Precision(NamedTuple):
    """How a training computes; weights and optimizer are float32 in each."""

    bfloat16: bool = False  # autocast
    channels_last: bool = False  # memory format of pictures and convolutions

    def autocast(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16)

    def pictures(self, images: Tensor) -> Tensor:
        """Images [B, C, H, W] in the memory format."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return images.contiguous(memory_format=layout)


PRECISIONS = {
    "float32": Precision(),
    "float32-channels-last": Precision(channels_last=True),
    "bfloat16": Precision(bfloat16=True, channels_last=True),
}


def machine(device: torch.device) -> str:
    """What the choice depends on: the device's name, or the CPU's instructions."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"


def fastest_precision(model: nn.Module, step: Callable[[Precision], Tensor]) -> str:
    """The name in ``PRECISIONS`` of the least time for a forward and a backward pass.

    One that takes over three times the best one's time in its first pass is not tried again.

    Args:
        model: of which the passes leave nothing, neither gradients nor statistics.
        step: the loss of one step at a precision.
    """
    before = {name: value.detach().clone() for name, value in model.state_dict().items()}
    seconds: dict[str, float] = {}
    for _ in range(2):
        for name, precision in PRECISIONS.items():
            best = min(seconds.values(), default=float("inf"))
            if seconds.get(name, 0.0) <= 3 * best:
                seconds[name] = min(seconds.get(name, float("inf")), _time(model, step, precision))
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)
    logger.info("Seconds a step: %s", {name: round(value, 3) for name, value in seconds.items()})
    return min(seconds, key=seconds.__getitem__)


def _time(model: nn.Module, step: Callable[[Precision], Tensor], precision: Precision) -> float:
    started = time.perf_counter()
    loss = step(precision)
    loss.backward()
    loss.item()  # waits for a GPU
    return time.perf_counter() - started
