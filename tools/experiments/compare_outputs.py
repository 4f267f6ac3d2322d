#!/usr/bin/env python
"""Do two checkouts of this project give the same output, byte for byte?

    compare_outputs.py record --tree CHECKOUT --work FOLDER --output RECORD.json
    compare_outputs.py compare RECORD.json OTHER.json

``record`` runs a checkout's own command lines on one thread of the CPU: it labels scenes of
zipworld_val with the shipped and with the faithful settings, evaluates Zip with small random
networks on coco_2017_val (where DETECTRON2_DATASETS has it), and trains a detector for two
iterations. It keeps checksums of masks, boxes, scores, metrics, losses and weights. Started again,
it goes on with the step it stopped in. ``compare`` prints what differs, exit code 1 if anything
does.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zipseg.data.coco_format import read_labels

LABELS = {"tuned": "zip_embedded", "faithful": "zip_embedded_faithful"}


def digest(value: Any) -> str:
    """Of anything JSON can hold; floats count to their last bit."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


class Checkout:
    """Runs the command lines of one checkout.

    Args:
        tree: its root.
        work: the folder of what the commands read and write; made if need be.
    """

    def __init__(self, tree: Path, work: Path) -> None:
        self.tree, self.work = tree.resolve(), work.resolve()
        self.root = self.work / "datasets"
        self.root.mkdir(parents=True, exist_ok=True)
        given = os.environ.get("DETECTRON2_DATASETS")
        self.photographs = bool(given) and (Path(given) / "coco" / "val2017").is_dir()
        if self.photographs and not (self.root / "coco").exists():
            (self.root / "coco").symlink_to((Path(given) / "coco").resolve())
        self.environment = os.environ | {
            "PYTHONPATH": str(self.tree / "projects" / "ZipSeg"),
            "DETECTRON2_DATASETS": str(self.root),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }

    def run(self, *words: object) -> None:
        """Runs a script of the checkout.

        Raises:
            CalledProcessError: it failed.
        """
        command = [sys.executable, *map(str, words)]
        subprocess.run(command, cwd=self.tree, env=self.environment, check=True)

    # Outputs are read as plain JSON here: whatever a checkout has written is compared as it is, and
    # a reader that mends would hide differences.

    def labels(self, settings: str, scenes: int) -> dict[str, Any]:
        """Labels the first scenes of zipworld_val."""
        self.run("datasets/prepare_zipworld.py", "zipworld_val", "--root", self.root)
        truth = read_labels(self.root / "zipworld/annotations/zipworld_val.json")
        folder = self.work / f"first-{scenes}"
        folder.mkdir(exist_ok=True)
        for image in truth["images"][:scenes]:
            link = folder / image["file_name"]
            if not link.exists():
                link.symlink_to(self.root / "zipworld" / "val" / image["file_name"])
        names = self.work / "names.txt"
        names.write_text("".join(f"{each['name']}\n" for each in truth["categories"]))
        output = self.work / settings
        images = [folder]
        if not (self.tree / "projects/ZipSeg/zipseg/cli").is_dir():  # before there was one grammar
            images = ["--images", folder]
        self.run(
            *("tools/generate_pseudo_labels.py", *images, "--names", names),
            *("--config-file", f"configs/ZipWorld/{LABELS[settings]}.yaml"),
            *("--output", output, "--num-ranks", 1, "MODEL.DEVICE", "cpu"),
        )
        found = json.loads((output / "labels.json").read_text())
        files = {image["id"]: image["file_name"] for image in found["images"]}
        rows = found["annotations"]
        pictures = [path.read_bytes() for path in sorted(folder.iterdir())]
        return {
            "scenes": scenes,
            "pictures": digest([hashlib.sha256(each).hexdigest() for each in pictures]),
            "instances": len(rows),
            "categories": digest([(files[x["image_id"]], x["category_id"]) for x in rows]),
            **{
                key: digest([row[key] for row in rows]) for key in ("segmentation", "bbox", "score")
            },
        }

    def evaluation(self) -> dict[str, Any] | str:
        """Evaluates Zip with small random networks on the photographs."""
        if not self.photographs:
            return "no photographs"
        output = self.work / "evaluation"
        self.run(
            *("tools/train_net.py", "--eval-only"),
            *("--config-file", "configs/Test/zip_tiny_random.yaml"),
            *("SEED", 1, "OUTPUT_DIR", output),
        )
        folder = output / "inference" / "coco_2017_val"
        rows = json.loads((folder / "coco_instances_results.json").read_text())
        report = json.loads((folder / "evaluation.json").read_text())
        return {
            "photographs": len({row["image_id"] for row in rows}),
            "instances": len(rows),
            "categories": digest([(row["image_id"], row["category_id"]) for row in rows]),
            **{
                key: digest([row[key] for row in rows]) for key in ("segmentation", "bbox", "score")
            },
            "metrics": digest(_numbers(report)),
        }

    def training(self) -> dict[str, Any]:
        """Trains the small detector for two iterations and evaluates it."""
        import torch

        output = self.work / "training"
        self.run(
            *("tools/train_net.py", "--config-file"),
            "configs/SelfTraining/zipworld_miniature.yaml",
            *("SOLVER.MAX_ITER", 2, "OUTPUT_DIR", output),
            *("DATASETS.TRAIN", "('zipworld_small',)"),
        )
        losses = {}
        for line in (output / "metrics.json").read_text().splitlines():
            values = json.loads(line)
            losses |= {key: values[key] for key in sorted(values) if "loss" in key}
        saved = torch.load(output / "model_final.pth", weights_only=True)["model"]
        weights = hashlib.sha256()
        for name in sorted(saved):
            weights.update(torch.as_tensor(saved[name]).numpy().tobytes())
        rows = json.loads(
            (output / "inference/zipworld_mini/coco_instances_results.json").read_text()
        )
        return {
            "losses": losses,
            "tensors": len(saved),
            "weights": weights.hexdigest()[:16],
            "predictions": digest(rows),
        }


def _numbers(report: Any, path: str = "") -> dict[str, float]:
    """All numbers of a report but those of time."""
    if isinstance(report, dict):
        found = {}
        for key, value in report.items():
            found |= _numbers(value, f"{path}/{key}") if "time" not in key else {}
        return found
    if isinstance(report, list):
        return _numbers({str(place): each for place, each in enumerate(report)}, path)
    return {path: report} if isinstance(report, int | float) else {}


def record(options: argparse.Namespace) -> int:
    checkout = Checkout(options.tree, options.work)
    steps: dict[str, Callable[[], Any]] = {
        "tuned": lambda: checkout.labels("tuned", options.scenes),
        "evaluation": checkout.evaluation,
        "training": checkout.training,
        "faithful": lambda: checkout.labels("faithful", options.faithful_scenes),
    }
    path = options.output
    kept = json.loads(path.read_text()) if path.is_file() else {}
    for name, step in steps.items():
        if name in kept:
            continue
        start = time.monotonic()
        kept[name] = step()
        print(f"{name}: {time.monotonic() - start:.0f} s", kept[name], flush=True)
        path.write_text(json.dumps(kept, indent=1) + "\n")
    return 0


def compare(options: argparse.Namespace) -> int:
    one, other = (json.loads(path.read_text()) for path in (options.one, options.other))
    differ = [
        f"{name}: {one.get(name)} and {other.get(name)}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]
    print("\n".join(differ) or f"the same: {', '.join(one)}")
    return 1 if differ else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    recording = commands.add_parser("record")
    recording.add_argument("--tree", type=Path, default=Path(__file__).parents[2])
    recording.add_argument("--work", type=Path, required=True)
    recording.add_argument("--output", type=Path, required=True)
    recording.add_argument("--scenes", type=int, default=60)
    recording.add_argument("--faithful-scenes", type=int, default=60)
    recording.set_defaults(run=record)
    comparing = commands.add_parser("compare")
    comparing.add_argument("one", type=Path)
    comparing.add_argument("other", type=Path)
    comparing.set_defaults(run=compare)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
