"""A mask decoder on the CPU with few prompts at once and with many."""

import time

import torch

from zipseg.modeling.networks.segmenters import Segmenter, build_segmenter

from .forward import benchmark_picture

BATCHES = (1, 4, 16, 64)


@torch.no_grad()
def prompts_benchmark(
    name: str = "MobileSAM", model_type: str = "vit_t", prompts: int = 64
) -> dict[str, float]:
    """CPU seconds a prompt with random weights, after a pass that does not count.

    Returns:
        ``at_once_N_s`` for every batch of N prompts, and ``many_over_few``, 64 over 4 at once.
    """
    segmenter = build_segmenter(name, model_type, "random", "MODEL.ZIP.SEGMENTER")
    points = torch.rand((prompts, 2), generator=torch.Generator().manual_seed(0)) * 400
    (encoded,) = segmenter.encode([torch.from_numpy(benchmark_picture()).permute(2, 0, 1)])
    _seconds(segmenter, encoded, points[:4], 4)
    found = {f"at_once_{n}_s": _seconds(segmenter, encoded, points, n) for n in BATCHES}
    return found | {"many_over_few": found["at_once_64_s"] / found["at_once_4_s"]}


def _seconds(segmenter: Segmenter, encoded: object, points: torch.Tensor, at_once: int) -> float:
    start = time.process_time()
    for few in points.split(at_once):
        segmenter.candidates(encoded, None, few)
    return (time.process_time() - start) / len(points)
