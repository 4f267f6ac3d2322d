"""A boundary network on the CPU in the number formats and memory orders that it could run in."""

import time
from collections.abc import Callable

import torch
from torch import nn

from .boundary import random_steps


@torch.no_grad()
def formats_benchmark(
    arch: str = "RN50", layer: str = "layer3", height: int = 512, width: int = 683, repeats: int = 3
) -> dict[str, float]:
    """CPU seconds of one forward pass with random weights; the fastest of ``repeats``, after one
    that does not count.

    Returns:
        ``float32_s``, ``float32_channels_last_s``, ``bfloat16_channels_last_s``, and the last two
        over the first.
    """
    tower = nn.Sequential(*(step.module for step in random_steps(arch, layer)))
    image = torch.randn((1, 3, height, width), generator=torch.Generator().manual_seed(0))
    found = {"float32_s": _fastest(lambda: tower(image), repeats)}
    tower, image = (each.to(memory_format=torch.channels_last) for each in (tower, image))
    found["float32_channels_last_s"] = _fastest(lambda: tower(image), repeats)
    with torch.autocast("cpu"):
        found["bfloat16_channels_last_s"] = _fastest(lambda: tower(image), repeats)
    over = {
        name.removesuffix("_s") + "_over_float32": seconds / found["float32_s"]
        for name, seconds in found.items()
        if name != "float32_s"
    }
    return found | over


def _fastest(run: Callable[[], object], repeats: int) -> float:
    run()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)
