"""Predictions for loose image files: overlays to look at and one COCO-format file."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import Metadata
from detectron2.structures import Instances
from tqdm import tqdm

from ..data.coco_io import instances_to_coco
from ..data.inputs import InputReader
from ..data.vocabulary import use_names
from ..utils.errors import ConfigError, ImageError
from ..utils.files import write_json
from ..visualization.overlays import draw_instances
from .inference import load_model

logger = logging.getLogger(__name__)


class Summary(NamedTuple):
    """What became of a run over image files."""

    images: int
    instances: int
    failures: dict[str, str]  # file -> reason
    results: Path


class Predictor:
    """A model, Zip or a trained detector, ready for image files.

    Args:
        cfg: its config.
        names: of its classes; None for those of the config.

    Raises:
        ZipSegError: as ``load_model``; names that are unusable or that a detector was not made for.
    """

    def __init__(self, cfg: CfgNode, names: Sequence[str] | None = None) -> None:
        if names is not None:
            cfg = cfg.clone()
            cfg.defrost()
            use_names(cfg, names)
        self.model = load_model(cfg)
        if self.model.names is None:
            raise ConfigError(
                "MODEL.WEIGHTS", "does not tell the names of its classes: give them, in its order"
            )
        self.names = self.model.names
        self.inputs = InputReader(cfg)

    @torch.no_grad()
    def __call__(self, entry: dict) -> Instances:
        """Instances of one input, on the CPU."""
        return self.model([entry])[0]["instances"].to("cpu")


def predict_files(
    predictor: Predictor, paths: Sequence[Path], output: Path, overlay_score: float = 0.0
) -> Summary:
    """Predicts image files one by one with a progress bar; a bad image never ends the run.

    Writes ``output/predictions.json`` (a COCO file: images, categories, annotations with scores)
    and ``output/overlays/<name>.jpg``.

    Args:
        overlay_score: instances below are not drawn.

    Raises:
        ImageError: none of the images can be read.
    """
    names, inputs = predictor.names, predictor.inputs
    metadata = Metadata(thing_classes=list(names))
    (output / "overlays").mkdir(parents=True, exist_ok=True)
    images, annotations, failures = [], [], {}
    for path in tqdm(paths, desc="Predicting", unit="image"):
        try:
            pixels = inputs.pixels(path)
        except ImageError as error:
            failures[str(path)] = str(error)
            continue
        entry = inputs.entry(path, pixels)
        instances = predictor(entry)
        image_id = len(images) + 1
        images.append(
            {
                "id": image_id,
                "file_name": str(path),
                "height": entry["height"],
                "width": entry["width"],
            }
        )
        records = instances_to_coco(instances, image_id)
        annotations += [{"id": len(annotations) + i + 1, **r} for i, r in enumerate(records)]
        rgb = pixels[:, :, ::-1] if inputs.format == "BGR" else pixels
        drawing = draw_instances(
            np.ascontiguousarray(rgb), instances[instances.scores >= overlay_score], metadata
        )
        cv2.imwrite(
            str(output / "overlays" / f"{image_id:06d}_{path.stem}.jpg"), drawing[:, :, ::-1]
        )
    if failures and not images:
        first = next(iter(failures.values()))
        raise ImageError(f"none of {len(failures)} images can be read; the first: {first}")
    results = output / "predictions.json"
    write_json(
        results,
        {
            "info": {"description": "ZipSeg predictions"},
            "licenses": [],
            "images": images,
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
            "annotations": annotations,
        },
    )
    for reason in failures.values():
        logger.warning("Skipped %s", reason)
    return Summary(len(images), len(annotations), failures, results)
