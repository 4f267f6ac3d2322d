"""Image files as the inputs of any model."""

from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data.detection_utils import build_augmentation
from detectron2.data.transforms import AugInput, AugmentationList

from .images import read_image


class InputReader:
    """Image files in the form that a model of the config takes.

    Args:
        cfg: of INPUT the format, test sizes and ``MAX_PIXELS``.
    """

    def __init__(self, cfg: CfgNode) -> None:
        self.format, self._max_pixels = cfg.INPUT.FORMAT, cfg.INPUT.MAX_PIXELS
        self._resize = AugmentationList(build_augmentation(cfg, is_train=False))

    def pixels(self, path: str | Path) -> np.ndarray:
        """uint8 [H, W, 3] in ``cfg.INPUT.FORMAT``; raises ImageError as ``read_image`` does."""
        return read_image(path, self.format, self._max_pixels)

    def entry(self, path: str | Path, pixels: np.ndarray) -> dict:
        """The input: ``image`` [3, h, w] resized for testing, ``file_name``, and ``height`` and
        ``width`` of the file's ``pixels``."""
        resized = AugInput(pixels)
        self._resize(resized)
        image = torch.from_numpy(np.ascontiguousarray(resized.image.transpose(2, 0, 1)))
        height, width = pixels.shape[:2]
        return {"file_name": str(path), "image": image, "height": height, "width": width}
