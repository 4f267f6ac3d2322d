"""Where the time of a forward pass goes, stage by stage."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch

from zipseg.modeling.zip import Zip
from zipseg.zipworld.scenes import render_scene

from .memory import peak_mib

NETWORKS = (
    "semantic CLIP",
    "boundary CLIP",
    "classifier",
    "crops",
    "segmenter encoder",
    "segmenter decoder",
)


def forward_benchmark(model: Zip, image: np.ndarray, repeats: int = 1) -> dict:
    """Seconds of each stage for one image and the share spent outside the networks.

    Args:
        model: in evaluation mode.
        image: uint8 [H, W, 3] in the model's input format.

    Returns:
        ``seconds`` by stage (means over ``repeats`` runs), ``total_s``, ``total_cpu_s`` over all
        threads, ``objects``,
        ``non_network_fraction`` and the process's ``peak_gib``, on a GPU with the GPU's
        ``gpu_peak_gib``.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    on_gpu = model.device.type == "cuda"
    clock = _after_the_gpu if on_gpu else time.perf_counter
    if on_gpu:
        model.trace([{"image": tensor}])  # kernels are chosen and loaded
    with stopwatch(model, clock) as seconds:
        start, cpu_start = clock(), time.process_time()
        for _ in range(repeats):
            (trace,) = model.trace([{"image": tensor}])
        total, cpu = clock() - start, time.process_time() - cpu_start
    networks = sum(seconds[name] for name in NETWORKS)
    return {
        "seconds": {name: value / repeats for name, value in seconds.items()},
        "total_s": total / repeats,
        "total_cpu_s": cpu / repeats,
        "objects": len(trace.proposals),
        "non_network_fraction": 1 - networks / total,
        "peak_gib": peak_mib() / 1024,
        **({"gpu_peak_gib": torch.cuda.max_memory_allocated() / 2**30} if on_gpu else {}),
    }


def _after_the_gpu() -> float:
    """Wall time once all that was asked of the GPU is done."""
    torch.cuda.synchronize()
    return time.perf_counter()


def benchmark_picture(height: int = 427, width: int = 640) -> np.ndarray:
    """A scene of ZipWorld enlarged to a usual photograph's size, uint8 [height, width, 3]."""
    return cv2.resize(render_scene(0).image, (width, height), interpolation=cv2.INTER_CUBIC)


@contextlib.contextmanager
def stopwatch(
    model: Zip, clock: Callable[[], float] = time.perf_counter
) -> Iterator[dict[str, float]]:
    """Adds up the seconds of every network and stage of ``model`` while the context lasts.

    Args:
        clock: wall time, the process's own, or wall time after waiting for a GPU.
    """
    seconds: dict[str, float] = defaultdict(float)
    modules = (model.semantic, model.boundary, model.classifier, model.crops)
    handles = [
        handle
        for name, module in zip(NETWORKS, modules, strict=False)
        if module is not None  # mostly none of its own classifies
        for handle in _time_module(seconds, name, module, clock)
    ]
    segmenter = model.segmenter
    for name, method in zip(NETWORKS[len(modules) :], ("encode", "decode"), strict=True):
        setattr(segmenter, method, _timed(seconds, name, getattr(segmenter, method), clock))
    stages = model.stages
    model.stages = type(stages)(
        *(
            _timed(seconds, name, stage, clock)
            for name, stage in zip(stages._fields, stages, strict=True)
        )
    )
    try:
        yield seconds
    finally:
        model.stages = stages
        del segmenter.encode, segmenter.decode  # of the instance: the class's show again
        for handle in handles:
            handle.remove()


def _time_module(
    seconds: dict, name: str, module: torch.nn.Module, clock: Callable[[], float]
) -> list:
    def begin(*_):
        seconds[name] -= clock()

    def end(*_):
        seconds[name] += clock()

    return [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]


def _timed(seconds: dict, name: str, stage: Callable, clock: Callable[[], float]) -> Callable:
    def run(*args, **kwargs):
        start = clock()
        try:
            return stage(*args, **kwargs)
        finally:
            seconds[name] += clock() - start

    return run
