"""What each shipped config costs for one photograph: seconds by stage and peak memory."""

from collections.abc import Sequence
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from zipseg.data.vocabulary import use_names
from zipseg.engine.setup import load_config

from .forward import NETWORKS, benchmark_picture, forward_benchmark
from .memory import in_its_own_process

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
    return {
        Path(file).stem: in_its_own_process(_measure, str(file), device, options)
        for file in config_files
    }


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
def _measure(config_file: str, device: str, options: Sequence[str]) -> dict:
    model = build_model(untrained(config_file, device, options)).eval()
    return forward_benchmark(model, benchmark_picture(480, 640))
