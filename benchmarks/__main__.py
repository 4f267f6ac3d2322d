"""Measures the claims about speed and memory, as ratios against plain references in the same run.

python -m benchmarks --json output/benchmark.json
python -m benchmarks --only discovery surgery
python -m benchmarks --only presets --device cpu
python -m benchmarks --only throughput --opts MODEL.ZIP.AUTOCAST True
"""

import argparse
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

import torch
from detectron2.modeling import build_model

from zipseg.engine.setup import load_config
from zipseg.utils.errors import run_or_explain
from zipseg.utils.files import write_json

from .boundary import boundary_benchmark
from .discovery import discovery_benchmark
from .evaluation import evaluation_benchmark
from .formats import formats_benchmark
from .forward import benchmark_picture, forward_benchmark
from .labeling import (
    memory_benchmark,
    overhead_benchmark,
    ranks_benchmark,
)
from .presets import presets_benchmark, to_markdown, untrained
from .prompts import prompts_benchmark
from .surgery import surgery_benchmark
from .throughput import throughput_benchmark
from .training import training_benchmark
from .vocabulary import vocabulary_benchmark

ROOT = Path(__file__).resolve().parents[1]
PAPER = ROOT / "configs" / "COCO" / "zip_RN50x64_ViT-B-16_SAM-ViT-H.yaml"
EMBEDDED = str(ROOT / "configs" / "ZipWorld" / "zip_embedded.yaml")
TINY = str(ROOT / "configs" / "Test" / "zip_tiny_random.yaml")
DETECTOR = str(ROOT / "configs" / "SelfTraining" / "zipworld_mask_rcnn.yaml")
# From the fastest to the paper's.
PRESETS = [
    ROOT / "configs" / "COCO" / f"zip_{name}.yaml"
    for name in (
        "fast_RN50_ViT-B-16_MobileSAM",
        "RN50_ViT-B-16_SAM-ViT-B",
        "RN50x64_ViT-B-16_SAM-ViT-H",
    )
]


def forward(args: argparse.Namespace) -> dict:
    if args.config_file == str(PAPER):
        cfg = untrained(args.config_file, args.device, args.opts)
    else:
        cfg = load_config(args.config_file, [*args.opts, "MODEL.DEVICE", args.device])
    return forward_benchmark(build_model(cfg).eval(), benchmark_picture())


def presets(args: argparse.Namespace) -> dict:
    results = presets_benchmark(args.presets, args.device, args.opts)
    print(to_markdown(results))
    return results


def throughput(args: argparse.Namespace) -> dict:
    if not torch.cuda.is_available():
        return {"skipped": "there is no GPU"}
    return throughput_benchmark(untrained(args.config_file, "cuda", args.opts))


# What is measured -> the function, and the ratios that its result holds.
BENCHMARKS: dict[str, tuple[Callable[[argparse.Namespace], dict], dict[str, Callable]]] = {
    "discovery": (
        lambda _: discovery_benchmark(),
        {"discovery_speedup": lambda result: min(each["speedup"] for each in result.values())},
    ),
    "surgery": (
        lambda _: surgery_benchmark(),
        {
            "surgery_speedup": itemgetter("speedup"),
            "surgery_memory_fraction": itemgetter("memory_fraction"),
        },
    ),
    "evaluation": (
        lambda _: evaluation_benchmark(),
        {"evaluation_speedup": itemgetter("speedup")},
    ),
    "labeling_memory": (
        lambda _: memory_benchmark(),
        {"labeling_memory_growth": itemgetter("growth")},
    ),
    "labeling_ranks": (
        lambda _: ranks_benchmark(EMBEDDED),
        {"labeling_two_ranks_throughput": itemgetter("throughput")},
    ),
    "labeling_overhead": (
        lambda _: overhead_benchmark(EMBEDDED),
        {
            "labeling_wall_over_networks": itemgetter("wall_over_networks"),
            "labeling_wall_over_model": itemgetter("wall_over_model"),
        },
    ),
    "vocabulary": (
        lambda _: vocabulary_benchmark(load_config(TINY), benchmark_picture()),
        {"forward_1203_over_4_names": lambda result: result["1203"]["over_fewest"]},
    ),
    "training": (
        lambda _: training_benchmark(DETECTOR),
        {
            "training_step_ratio": itemgetter("parts_off_over_plain"),
            "training_step_parts_ratio": itemgetter("parts_on_over_plain"),
        },
    ),
    "boundary": (
        lambda _: boundary_benchmark(),
        {"boundary_memory_ratio": lambda result: result["strips_gib"] / result["whole_gib"]},
    ),
    "formats": (
        lambda _: formats_benchmark(),
        {
            "channels_last_over_plain": itemgetter("float32_channels_last_over_float32"),
            "bfloat16_over_float32": itemgetter("bfloat16_channels_last_over_float32"),
        },
    ),
    "prompts": (
        lambda _: prompts_benchmark(),
        {"many_prompts_over_few": itemgetter("many_over_few")},
    ),
    "presets": (presets, {}),
    "throughput": (throughput, {}),
    "forward": (forward, {"non_network_fraction": itemgetter("non_network_fraction")}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=sorted(BENCHMARKS), default=list(BENCHMARKS))
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument(
        "--config-file",
        default=str(PAPER),
        help="whose forward pass and throughput to time (default: the paper's)",
    )
    parser.add_argument("--opts", nargs="+", default=[], help="KEY VALUE pairs for that config")
    parser.add_argument(
        "--presets", nargs="+", type=Path, default=PRESETS, help="configs that 'presets' compares"
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="that 'forward' and 'presets' run on (default: the GPU where there is one)",
    )
    args = parser.parse_args()
    report: dict = {"ratios": {}, "threads": torch.get_num_threads()}
    for name in args.only:
        run, ratios = BENCHMARKS[name]
        report[name] = run(args)
        report["ratios"] |= {ratio: take(report[name]) for ratio, take in ratios.items()}
        print(f"{name}\n{_table(report[name])}", flush=True)
    print(f"ratios\n{_table(report['ratios'])}")
    if args.json:
        write_json(args.json, report)


def _table(values: dict, indent: str = "  ") -> str:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", _table(value, indent + "  ")]
        else:
            lines.append(
                f"{indent}{name:<28} {value:.4g}"
                if isinstance(value, float)
                else f"{indent}{name:<28} {value}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    with run_or_explain():
        main()
