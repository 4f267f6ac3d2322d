"""Any model of a config, Zip or a trained detector, on images: one call, one result."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import Metadata
from detectron2.structures import Instances
from PIL import Image
from tqdm import tqdm

from ..data.coco_io import instances_to_coco
from ..data.inputs import InputReader
from ..data.names import read_names
from ..data.vocabulary import use_names
from ..structures import Trace
from ..utils.errors import CannotWrite, ConfigError, ImageError
from ..utils.files import write_atomically, write_json
from ..visualization.overlays import as_jpeg, best_of_each_place, draw_instances
from .inference import load_model, warn_of_small_networks
from .setup import load_config

logger = logging.getLogger(__name__)

ImageLike = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Prediction:
    """What a model found in one image.

    Attributes:
        image: the picture, uint8 RGB [H, W, 3].
        instances: Detectron2's at the image's size, on the CPU: ``pred_boxes`` in pixels,
            ``scores`` 0..1, ``pred_classes`` as positions in ``names``, and ``pred_masks`` bool
            [N, H, W] where the model has masks.
        names: of the model's classes.
        stages: what every stage of Zip handed on; None for other models.
        file_name: of the image; "" for one that is no file.
    """

    image: np.ndarray
    instances: Instances
    names: tuple[str, ...]
    stages: Trace | None = None
    file_name: str = ""

    def __len__(self) -> int:
        return len(self.instances)

    def draw(self, score: float = 0.0, most: int = 50, overlap: float = 1.0) -> Image.Image:
        """The picture with masks, boxes, names and scores; small pictures are enlarged.

        Args:
            score: instances below are left out.
            most: the best so many are drawn: more would hide each other.
            overlap: of those that overlap more (IoU), whatever their names, the best is drawn.
        """
        shown = self.instances[self.instances.scores >= score]
        best = best_of_each_place(shown, overlap)[:most]
        metadata = Metadata(thing_classes=list(self.names))
        return Image.fromarray(draw_instances(self.image, best, metadata))

    def to_coco(self, image_id: int = 1, first_annotation: int = 1) -> dict:
        """A COCO-format dict of this image: ``images``, ``categories`` with ids from 1, and
        ``annotations`` with RLE masks, XYWH boxes and scores, best first."""
        height, width = self.image.shape[:2]
        records = instances_to_coco(self.instances, image_id)
        return {
            "info": {"description": "ZipSeg predictions"},
            "licenses": [],
            "images": [
                {"id": image_id, "file_name": self.file_name, "height": height, "width": width}
            ],
            "categories": [{"id": i, "name": name} for i, name in enumerate(self.names, 1)],
            "annotations": [{"id": i, **r} for i, r in enumerate(records, first_annotation)],
        }


class Predictor:
    """A model with its weights, ready for images.

    Args:
        cfg: its config.
        names: of its classes: those to look for, or those that a detector was trained for; None
            for those of MODEL.ZIP.CLASS_NAMES, of the first test data set or of the checkpoint.

    Attributes:
        names: the model's.

    Raises:
        ZipSegError: as ``load_model``; names that are unusable or that a detector was not made for.
    """

    def __init__(self, cfg: CfgNode, names: Sequence[str] | None = None) -> None:
        if names is not None:
            cfg = cfg.clone()
            cfg.defrost()
            use_names(cfg, names)
        warn_of_small_networks(cfg)
        self.model = load_model(cfg)
        if self.model.names is None:
            raise ConfigError(
                "MODEL.WEIGHTS", "does not tell the names of its classes: give them, in its order"
            )
        self.names = self.model.names
        self.inputs = InputReader(cfg)

    @classmethod
    def from_config(
        cls,
        config_file: str | Path,
        names: str | Sequence[str] | None = None,
        opts: Sequence[object] = (),
    ) -> Predictor:
        """A predictor of a config file.

        Args:
            config_file: a path, or the relative name of one that ships, such as
                "COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml".
            names: as for the class; also the path of a file of names, or "name,name,...".
            opts: KEY, VALUE, ... that change the config, such as
                ["MODEL.WEIGHTS", "model_final.pth"].

        Raises:
            ZipSegError: no such config, and as the class.
        """
        cfg = load_config(str(config_file), list(opts))
        return cls(cfg, read_names(names) if isinstance(names, str) else names)

    def __call__(self, images: ImageLike | Sequence[ImageLike]) -> Prediction | list[Prediction]:
        """What the model finds in an image, or in each of a list of them.

        Args:
            images: a path, a PIL image or an RGB array, uint8 [H, W, 3]; or a list of these.

        Raises:
            ImageError: an image that cannot be read.
        """
        if isinstance(images, list | tuple):
            return [self._predict(image) for image in images]
        return self._predict(images)

    @torch.no_grad()
    def _predict(self, image: ImageLike) -> Prediction:
        pixels = self.inputs.pixels(image)
        name = str(image) if isinstance(image, str | Path) else ""
        entry = self.inputs.entry(name, pixels)
        trace = self.model.trace([entry])[0] if hasattr(self.model, "trace") else None
        instances = self.model([entry])[0]["instances"] if trace is None else trace.instances
        return Prediction(self.inputs.rgb(pixels), instances.to("cpu"), self.names, trace, name)


class Summary(NamedTuple):
    """What became of a run over image files."""

    images: int
    instances: int
    failures: dict[str, str]  # file -> reason
    results: Path


def predict_files(
    predictor: Predictor, paths: Iterable[str | Path], output: Path, overlay_score: float = 0.0
) -> Summary:
    """Predicts image files one by one with a progress bar; a bad image never ends the run.

    Writes ``output/predictions.json`` (a COCO file: images, categories, annotations with scores)
    and ``output/overlays/<name>.jpg``. Overlays of an earlier run are deleted first.

    Args:
        overlay_score: instances below are not drawn.

    Raises:
        ImageError: none of the images can be read.
        CannotWrite: a full disk or a read-only folder.
    """
    overlays, results = output / "overlays", output / "predictions.json"
    content: dict = {}
    failures: dict[str, str] = {}
    try:
        overlays.mkdir(parents=True, exist_ok=True)
        for old in overlays.glob("[0-9][0-9][0-9][0-9][0-9][0-9]_*.jpg"):
            old.unlink()
        for path in tqdm(list(paths), desc="Predicting", unit="image"):
            try:
                found = predictor(path)
            except ImageError as error:
                failures[str(path)] = str(error)
                continue
            image_id = len(content.get("images", ())) + 1
            part = found.to_coco(image_id, len(content.get("annotations", ())) + 1)
            content = content or {**part, "images": [], "annotations": []}
            content["images"] += part["images"]
            content["annotations"] += part["annotations"]
            file = overlays / f"{image_id:06d}_{Path(path).stem}.jpg"
            write_atomically(file, as_jpeg(found.draw(overlay_score)))
        if content:
            write_json(results, content)
    except OSError as error:
        raise CannotWrite(output, error) from error
    if not content:
        first = next(iter(failures.values()), "there are none")
        raise ImageError(f"none of {len(failures)} images can be read; the first: {first}")
    for reason in failures.values():
        logger.warning("Skipped %s", reason)
    return Summary(len(content["images"]), len(content["annotations"]), failures, results)
