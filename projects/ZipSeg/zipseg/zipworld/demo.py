"""The method in one command: ZipWorld's small split through Zip and through SAM alone."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from detectron2.data import DatasetCatalog
from detectron2.evaluation import inference_on_dataset
from detectron2.structures import Instances

from ..engine.inference import load_model
from ..engine.setup import load_config
from ..engine.trainer import Trainer
from ..modeling.zip import Zip
from ..utils.files import write_json
from ..visualization.side_by_side import save_side_by_side
from ..visualization.stage_panel import save_stage_panel
from .scenes import register_zipworld

logger = logging.getLogger(__name__)

DATASET = "zipworld_mini"
SHOWN = ("AP", "AP50", "AR@100")
BESIDE = 4  # scenes


def run_demo(
    configs: Mapping[str, str], output: Path, datasets: Path | None = None, panels: int = 6
) -> dict:
    """Evaluates each config on ``zipworld_mini`` and draws the stages of Zip.

    Args:
        configs: what to call it -> config file; the first one is Zip's.
        output: gets ``metrics.json``, ``<name>/`` with predictions, ``panels/``, and the first
            results of all beside each other in ``beside.png``.
        datasets: where ZipWorld is rendered; None as for ``register_zipworld``.
        panels: how many scenes to draw the stages of.

    Returns:
        name -> "segm" or "bbox" -> metric -> percent, as in ``metrics.json``; None where nothing
        is there to measure.
    """
    register_zipworld(datasets)
    DatasetCatalog.get(DATASET)
    metrics: dict = {}
    images: list[np.ndarray] = []
    found: dict[str, list[Instances]] = {}
    for name, file in configs.items():
        options = ["DATASETS.TEST", (DATASET,), "OUTPUT_DIR", str(output / name)]
        cfg = load_config(file, options)
        model = load_model(cfg)
        watched = Watched(model if metrics else DrawingZip(model, output / "panels", panels))
        results = inference_on_dataset(
            watched,
            Trainer.build_test_loader(cfg, DATASET),
            Trainer.build_evaluator(cfg, DATASET),
        )
        metrics[name] = {task: _finite(results[task]) for task in ("segm", "bbox")}
        images, found[name.replace("_", " ")] = watched.images, watched.instances
    save_side_by_side(output / "beside.png", images, found, model.names)
    write_json(output / "metrics.json", metrics)
    return metrics


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


class Watched:
    """A model, or what behaves like one, that keeps its first ``BESIDE`` images and results."""

    def __init__(self, model: Callable[[list[dict]], list[dict]]) -> None:
        self._model = model
        self.images: list[np.ndarray] = []
        self.instances: list[Instances] = []

    def __call__(self, batch: list[dict]) -> list[dict]:
        results = self._model(batch)
        for entry, result in zip(batch, results, strict=True):
            if len(self.images) < BESIDE:
                self.images.append(entry["image"].permute(1, 2, 0).numpy())
                self.instances.append(result["instances"])
        return results


class DrawingZip:
    """Zip that draws the stages of the first images that it is given.

    Args:
        model: in evaluation mode.
        folder: made if need be; gets a picture by the name of each image's file.
        count: how many images.
    """

    def __init__(self, model: Zip, folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._model, self._folder, self._left = model, folder, count

    def __call__(self, batch: list[dict]) -> list[dict]:
        """As the model's own."""
        traces = self._model.trace(batch)
        for entry, trace in zip(batch, traces, strict=True):
            if self._left > 0:
                rgb = entry["image"].permute(1, 2, 0).numpy()
                path = self._folder / Path(entry["file_name"]).name
                save_stage_panel(path, rgb, trace, self._model.names)
                self._left -= 1
        return [{"instances": trace.instances} for trace in traces]


def metrics_table(metrics: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A table for the terminal, percent."""
    lines = [
        f"{'':<12}"
        + "".join(f"{'mask ' + m:>13}" for m in SHOWN)
        + "".join(f"{'box ' + m:>13}" for m in SHOWN)
    ]
    for name, tasks in metrics.items():
        cells = [tasks[task][metric] for task in ("segm", "bbox") for metric in SHOWN]
        lines.append(f"{name:<12}" + "".join(f"{cell:>13.1f}" for cell in cells))
    return "\n".join(lines)
