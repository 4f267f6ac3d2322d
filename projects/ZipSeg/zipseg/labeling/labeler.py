"""One image through any Detectron2 model that returns Instances."""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from detectron2.config import CfgNode
from torch import nn

from ..data.coco_io import instances_to_coco
from ..data.inputs import InputReader
from .errors import LabelingError


class Labeler:
    """Reads images and labels them, one at a time: a label never depends on its neighbours.

    Args:
        cfg: of INPUT the format, test sizes and ``MAX_PIXELS``.
        model: in evaluation mode, on its device.
        categories: COCO categories in the order of the model's classes.

    Raises:
        LabelingError: the model has other names for its classes.
    """

    def __init__(self, cfg: CfgNode, model: nn.Module, categories: list[dict]) -> None:
        names = getattr(model, "names", None)
        if names is not None and tuple(names) != tuple(each["name"] for each in categories):
            raise LabelingError(
                f"the model's classes are {_listed(names)}, not {_listed(categories)}: --dataset "
                "or --names must be the ones it was trained for, in their order"
            )
        self._model = model
        self._ids = [category["id"] for category in categories]
        self._inputs = InputReader(cfg)

    def read(self, path: str | Path) -> dict:
        """The model's input; see ``InputReader.entry``.

        Raises:
            ImageError: as for ``read_image``.
        """
        return self._inputs.entry(path, self._inputs.pixels(path))

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


def _listed(names: Sequence[str | dict]) -> str:
    first = [each if isinstance(each, str) else each["name"] for each in names[:3]]
    return f"{len(names)} ({', '.join(first)}{', ...' if len(names) > 3 else ''})"
