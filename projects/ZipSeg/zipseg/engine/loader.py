"""A Detectron2 test loader that original images go through at their own size, bad ones aside."""

import logging
from collections.abc import Iterator

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import build_detection_test_loader

from ..data.images import check_size, read_image
from ..utils.errors import ImageError

logger = logging.getLogger(__name__)


class ImageMapper:
    """Data set records to Detectron2 inputs without resizing; an unreadable image leaves ``error``
    where ``image`` would be."""

    def __init__(self, image_format: str, max_pixels: int) -> None:
        self.image_format, self.max_pixels = image_format, max_pixels

    def __call__(self, record: dict) -> dict:
        entry = {key: value for key, value in record.items() if key != "annotations"}
        try:
            image = read_image(record["file_name"], self.image_format, self.max_pixels)
            check_size(record, image)
        except ImageError as error:
            return entry | {"error": str(error)}
        height, width = image.shape[:2]
        image = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return entry | {"image": image, "height": height, "width": width}


class ReadableBatches:
    """The batches of a loader without the entries that could not be read, which are logged."""

    def __init__(self, loader) -> None:
        self.loader = loader
        self.dataset = loader.dataset

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[list[dict]]:
        skipped = 0
        for batch in self.loader:
            for entry in batch:
                if "error" in entry:
                    skipped += 1
                    logger.warning("Skipped %s", entry["error"])
            yield [entry for entry in batch if "error" not in entry]
        if skipped:
            logger.warning("%d images were skipped; they count as images without results.", skipped)


def build_image_loader(cfg: CfgNode, dataset_name: str) -> ReadableBatches:
    """Batches of whole images of a registered data set for a model that resizes by itself."""
    mapper = ImageMapper(cfg.INPUT.FORMAT, cfg.INPUT.MAX_PIXELS)
    return ReadableBatches(build_detection_test_loader(cfg, dataset_name, mapper=mapper))
