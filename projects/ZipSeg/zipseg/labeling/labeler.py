"""One image through any Detectron2 model that returns Instances."""

import time
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data.detection_utils import build_augmentation
from detectron2.data.transforms import AugInput, AugmentationList
from torch import nn

from ..data.coco_io import instances_to_coco
from ..data.images import read_image
from .errors import LabelingError


class Labeler:
    """Reads images and labels them, one at a time: a label never depends on its neighbours.

    Args:
        cfg: of INPUT the format, test sizes and ``MAX_PIXELS``.
        model: in evaluation mode, on its device.
        categories: COCO categories in the order of the model's classes.
    """

    def __init__(self, cfg: CfgNode, model: nn.Module, categories: list[dict]) -> None:
        self._model = model
        self._ids = [category["id"] for category in categories]
        self._format, self._max_pixels = cfg.INPUT.FORMAT, cfg.INPUT.MAX_PIXELS
        self._resize = AugmentationList(build_augmentation(cfg, is_train=False))

    def read(self, path: str | Path) -> dict:
        """The model's input: ``image`` [3, h, w] resized for testing, original height and width.

        Raises:
            ImageError: as for ``read_image``.
        """
        pixels = read_image(path, self._format, self._max_pixels)
        resized = AugInput(pixels)
        self._resize(resized)
        image = torch.from_numpy(np.ascontiguousarray(resized.image.transpose(2, 0, 1)))
        height, width = pixels.shape[:2]
        return {"file_name": str(path), "image": image, "height": height, "width": width}

    @torch.inference_mode()
    def label(self, image: dict, image_id: int) -> tuple[list[dict], float]:
        """COCO annotations of the image and the seconds that the model took.

        Raises:
            LabelingError: a class outside of the vocabulary, which no other image would mend.
            ValueError: boxes or scores that are not finite.
        """
        begin = time.perf_counter()
        instances = self._model([{**image, "image_id": image_id}])[0]["instances"].to("cpu")
        seconds = time.perf_counter() - begin
        for values in (instances.pred_boxes.tensor, instances.scores):
            if not torch.isfinite(values).all():
                raise ValueError("the model returned boxes or scores that are not finite")
        classes = instances.pred_classes
        if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < len(self._ids):
            raise LabelingError(
                f"the model returned class {int(classes.max())}, but the vocabulary has "
                f"{len(self._ids)} names: --dataset or --names must be the ones it was trained for"
            )
        return instances_to_coco(instances, image_id, self._ids), seconds
