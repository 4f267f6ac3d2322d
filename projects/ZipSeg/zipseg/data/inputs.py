"""Images as the inputs of any model."""

from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data.detection_utils import build_augmentation
from detectron2.data.transforms import AugInput, AugmentationList
from PIL import Image

from .images import to_pixels


class InputReader:
    """Images in the form that a model of the config takes.

    Args:
        cfg: of INPUT the format, test sizes and ``MAX_PIXELS``.
    """

    def __init__(self, cfg: CfgNode) -> None:
        self.format, self._max_pixels = cfg.INPUT.FORMAT, cfg.INPUT.MAX_PIXELS
        self._resize = AugmentationList(build_augmentation(cfg, is_train=False))

    def pixels(self, source: str | Path | Image.Image | np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] in ``cfg.INPUT.FORMAT`` of a file, a PIL image or an RGB array; raises
        ImageError as ``to_pixels`` does."""
        return to_pixels(source, self.format, self._max_pixels)

    def rgb(self, pixels: np.ndarray) -> np.ndarray:
        """The same pixels in RGB."""
        return pixels if self.format == "RGB" else np.ascontiguousarray(pixels[:, :, ::-1])

    def entry(self, path: str | Path, pixels: np.ndarray) -> dict:
        """The input: ``image`` [3, h, w] resized for testing, ``file_name``, and ``height`` and
        ``width`` of the ``pixels``."""
        resized = AugInput(pixels)
        self._resize(resized)
        image = torch.from_numpy(np.ascontiguousarray(resized.image.transpose(2, 0, 1)))
        height, width = pixels.shape[:2]
        return {"file_name": str(path), "image": image, "height": height, "width": width}
