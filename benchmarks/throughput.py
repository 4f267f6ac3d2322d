"""Images a second of Zip on a GPU, by batch, and how busy the GPU was meanwhile."""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from .forward import benchmark_picture, forward_benchmark


@torch.no_grad()
def throughput_benchmark(cfg: CfgNode, batches: Sequence[int] = (1, 8), images: int = 16) -> dict:
    """Forward passes over copies of a 640 x 480 picture, after one that is not timed.

    Args:
        cfg: of Zip, on a GPU.
        images: how many each batch size passes in all; a multiple of them.

    Returns:
        ``images_per_s``, ``utilization`` (percent of the time in which a kernel ran, as the
        driver counts it) and ``gpu_peak_gib`` by batch size, and ``stages``, the seconds of each
        stage for one image.
    """
    model = build_model(cfg).eval()
    picture = benchmark_picture(480, 640)
    tensor = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).pin_memory()
    report: dict = {"device": torch.cuda.get_device_name()}
    for batch in batches:
        inputs = [{"image": tensor}] * batch
        report["objects"] = len(model.trace(inputs)[0].proposals)
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
        with Sampled(torch.cuda.utilization) as utilization:
            begin = time.perf_counter()
            for _ in range(images // batch):
                model(inputs)
            torch.cuda.synchronize()
            seconds = time.perf_counter() - begin
        report[f"batch {batch}"] = {
            "images_per_s": images / seconds,
            "utilization": utilization.mean,
            "gpu_peak_gib": torch.cuda.max_memory_allocated() / 2**30,
        }
    report["stages"] = forward_benchmark(model, picture)["seconds"]
    return report


class Sampled:
    """The mean of what ``read`` says while the context lasts, read five times a second."""

    def __init__(self, read: Callable[[], float]) -> None:
        self._read, self._seen = read, []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Sampled":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def mean(self) -> float:
        return sum(self._seen) / len(self._seen)

    def _run(self) -> None:
        while True:
            self._seen.append(self._read())
            if self._ended.wait(0.2):
                return
