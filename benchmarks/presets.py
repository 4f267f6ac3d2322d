"""What each shipped config costs for one photograph: seconds by stage and peak memory."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from zipseg.data.vocabulary import use_names
from zipseg.engine.setup import load_config

from .forward import NETWORKS, benchmark_picture, forward_benchmark

UNTRAINED = ("SEMANTIC", "BOUNDARY", "SEGMENTER")


def presets_benchmark(
    config_files: Sequence[str | Path], device: str, options: Sequence[str] = ()
) -> dict[str, dict]:
    """``forward_benchmark`` of configs with random weights, each in a process of its own.

    Args:
        device: "cpu" or "cuda".
        options: KEY VALUE pairs for all of them.

    Returns:
        by the config's name.
    """
    found = {}
    for file in config_files:
        job = json.dumps({"file": str(file), "device": device, "options": list(options)})
        command = [sys.executable, "-m", __name__, job]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        # What the other process has printed.
        found[Path(file).stem] = json.loads(done.stdout.splitlines()[-1])
    return found


def untrained(config_file: str, device: str, options: Sequence[str] = ()) -> CfgNode:
    """A config with random weights, on whose values speed does not depend, and 20 names in one
    template: texts are encoded once, not for every image."""
    cfg = load_config(config_file, list(options))
    for network in UNTRAINED:
        cfg.MODEL.ZIP[network].WEIGHTS = "random"
    cfg.MODEL.DEVICE = device
    cfg.MODEL.ZIP.TEXT.TEMPLATES, cfg.MODEL.ZIP.TEXT.CACHE_DIR = ["a {}"], ""
    use_names(cfg, [f"name {i}" for i in range(20)])
    return cfg


def to_markdown(results: dict[str, dict]) -> str:
    """A table, a config a row."""
    lines = [
        "| config | " + " | ".join(NETWORKS) + " | the rest | total, s | CPU time, s | peak, GiB |",
        "|---|" + "---:|" * (len(NETWORKS) + 4),
    ]
    for name, found in results.items():
        seconds = [found["seconds"].get(network, 0) for network in NETWORKS]
        rest = found["total_s"] - sum(seconds)
        peak = found.get("gpu_peak_gib", found["peak_gib"])
        cells = (
            f"{value:.2f}"
            for value in (*seconds, rest, found["total_s"], found["total_cpu_s"], peak)
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@torch.no_grad()
def _measure(job: dict) -> dict:
    model = build_model(untrained(job["file"], job["device"], job["options"])).eval()
    return forward_benchmark(model, benchmark_picture(480, 640))


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
