"""Memory and time of the boundary network on a large image, whole and in strips, side by side."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn

from zipseg.modeling.networks.pyramid import Step, find_layer
from zipseg.modeling.networks.strips import run_in_strips

from .memory import peak_mib

STRIP_PIXELS = 2**18


def boundary_benchmark(
    arch: str = "RN50x64", layer: str = "layer3", height: int = 2048, width: int = 2731
) -> dict[str, float]:
    """Peak memory and seconds of a tower's layer on a random image, each way in a process of its
    own, and how far the features lie apart.

    Args:
        arch: an open_clip ResNet; its weights are random.
        height, width: of the image, pixels.

    Returns:
        ``whole_gib`` and ``strips_gib``, the process's peak; ``weights_gib``, what it held before
        the forward pass; ``whole_s`` and ``strips_s``, wall time, and ``whole_cpu_s`` and
        ``strips_cpu_s``, CPU time; ``largest_difference`` of features over their standard
        deviation.
    """
    found, features = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, pixels in (("whole", 0), ("strips", STRIP_PIXELS)):
            path = Path(folder) / name
            job = {"arch": arch, "layer": layer, "size": [height, width], "pixels": pixels}
            command = [sys.executable, "-m", __name__, json.dumps({**job, "path": str(path)})]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            # What the other process has printed.
            measured = json.loads(out.splitlines()[-1])
            found |= {f"{name}_{kind}": measured[kind] for kind in ("gib", "s", "cpu_s")}
            found["weights_gib"] = measured["before"]
            features[name] = torch.load(path, weights_only=True)
    apart = (features["whole"] - features["strips"]).abs().max() / features["whole"].std()
    return {**found, "largest_difference": float(apart)}


def random_steps(arch: str, layer: str) -> tuple[Step, ...]:
    """The steps of a ResNet to a layer with random weights; no others are ever in memory."""
    sizes = open_clip.get_model_config(arch)
    with torch.device("meta"):
        visual = open_clip.CLIP(
            **{key: sizes[key] for key in ("embed_dim", "vision_cfg", "text_cfg")}
        ).visual
    steps = find_layer(visual, layer, "--arch").steps
    generator = torch.Generator().manual_seed(0)
    for step in steps:
        step.module.to_empty(device="cpu").eval().requires_grad_(False)
        for module in step.module.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
            elif isinstance(module, nn.Conv2d):
                module.weight.normal_(0, module.weight[0].numel() ** -0.5, generator=generator)
    return steps


@torch.no_grad()
def measure(job: dict) -> dict[str, float]:
    """One forward pass in this process; features go to ``job["path"]``."""
    steps = random_steps(job["arch"], job["layer"])
    image = torch.randn((1, 3, *job["size"]), generator=torch.Generator().manual_seed(1))
    before = peak_mib() / 1024
    start, cpu_start = time.perf_counter(), time.process_time()
    features: Tensor = image
    if job["pixels"]:
        features = run_in_strips(steps, image, job["pixels"])
    else:
        for step in steps:
            features = step.module(features)
    took = {"s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu_start}
    took["gib"] = peak_mib() / 1024
    torch.save(features.clone(), job["path"])
    return {"before": before, **took}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
