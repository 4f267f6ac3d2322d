"""Instances drawn over their image, with Detectron2's visualizer."""

import io

import numpy as np
from detectron2.data import Metadata
from detectron2.structures import Instances
from detectron2.utils.visualizer import ColorMode, Visualizer
from PIL import Image

_SHORT_SIDE = 320  # smaller pictures are enlarged so that labels stay readable ...
_LONG_SIDE = 2048  # ... but never beyond this: thin ones cannot be helped, and would fill a disk,
_LONGEST = 16_384  # and larger pictures made smaller: what draws knows no sides beyond 65,535


def draw_instances(rgb: np.ndarray, instances: Instances, metadata: Metadata) -> np.ndarray:
    """The picture with masks, boxes, names and scores.

    Args:
        rgb: uint8 [H, W, 3].
        instances: predictions at the same size.
        metadata: whose ``thing_classes`` name the classes.

    Returns:
        uint8 RGB [H', W', 3]; small pictures are enlarged, very long ones made smaller. What would
        be thinner than a pixel then is the picture alone, a line.
    """
    sides = rgb.shape[:2]
    scale = max(1.0, min(_SHORT_SIDE / min(sides), _LONG_SIDE / max(sides)))
    scale = min(scale, _LONGEST / max(sides))
    if min(sides) * scale < 1:
        height, width = (max(1, int(side * scale)) for side in sides)
        return np.asarray(Image.fromarray(rgb).resize((width, height)))
    visualizer = Visualizer(rgb, metadata, scale=scale, instance_mode=ColorMode.IMAGE)
    return visualizer.draw_instance_predictions(instances.to("cpu")).get_image()


def as_jpeg(picture: Image.Image) -> bytes:
    """The bytes of a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()
