"""CLIP Surgery's similarity for many names against the published 4-D form."""

import time

import torch
from torch import Tensor

from zipseg.modeling.stages.activation import similarity_among_names

from .memory import in_its_own_process, peak_mib


def surgery_benchmark(names: int = 1203, tokens: int = 1025, channels: int = 512) -> dict:
    """Seconds and peak memory of both forms, each in a fresh process.

    Returns:
        ``plain_s``, ``fast_s``, ``plain_mib``, ``fast_mib``, ``speedup``, ``memory_fraction`` and
        ``max_difference`` of the results. ``memory_fraction`` is None for sizes so small that the
        plain form needs less than the process has held before.
    """
    plain, fast = (
        in_its_own_process(_measure, form, names, tokens, channels) for form in ("plain", "fast")
    )
    return {
        "plain_s": plain["seconds"],
        "fast_s": fast["seconds"],
        "plain_mib": plain["mib"],
        "fast_mib": fast["mib"],
        "speedup": plain["seconds"] / fast["seconds"],
        "memory_fraction": fast["mib"] / plain["mib"] if plain["mib"] else None,
        "max_difference": float(abs(plain["result"] - fast["result"]).max()),
    }


def plain_similarity(image: Tensor, patch: Tensor, text: Tensor) -> Tensor:
    """The published form: every product of token and text channels is made, [N, C, D]."""
    weight = (2 * image @ text.T).softmax(dim=-1)
    weight = weight / weight.mean()
    features = patch[:, None] * text[None]
    features = features * weight[None, :, None]
    features = features - features.mean(dim=1, keepdim=True)
    return features.sum(dim=-1)


def _measure(form: str, names: int, tokens: int, channels: int) -> dict:
    generator = torch.Generator().manual_seed(0)
    image, patch, text = (
        torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=-1)
        for shape in ((channels,), (tokens - 1, channels), (names, channels))
    )
    similarity = {"plain": plain_similarity, "fast": similarity_among_names}[form]
    similarity(image, patch[:8], text[:8])
    before = peak_mib()
    seconds = []
    for _ in range(2 if form == "plain" else 20):
        start = time.perf_counter()
        result = similarity(image, patch, text)
        seconds.append(time.perf_counter() - start)
    # Not as a tensor: those travel as open files, which end with the process.
    return {"seconds": min(seconds), "mib": peak_mib() - before, "result": result.numpy()}
