"""Instances drawn over their image: masks and boxes with Detectron2's visualizer, then labels."""

import colorsys
import io

import numpy as np
from detectron2.data import Metadata
from detectron2.structures import Instances, pairwise_iou
from detectron2.utils.visualizer import Visualizer
from PIL import Image

from ..modeling.stages.scoring import suppress
from ..structures import mask_ious
from .labels import Colour, draw_labels, place_labels

_SHORT_SIDE = 512  # smaller pictures are enlarged so that labels leave something to see ...
_LONG_SIDE = 2048  # ... but never beyond this: thin ones cannot be helped, and would fill a disk,
_LONGEST = 16_384  # and larger pictures made smaller: what draws knows no sides beyond 65,535
_SAME_PLACE = 0.5  # IoU
_MOST_DRAWN = 8  # instances: more would hide each other
_LEAST_SHARE = 0.2  # of the best one's score


def draw_instances(rgb: np.ndarray, instances: Instances, metadata: Metadata) -> np.ndarray:
    """The picture with masks, boxes, names and scores. Names that have no room are left out.

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
    found = instances.to("cpu")
    colours = [_colour(i) for i in range(len(found))]
    shapes = Visualizer(rgb, metadata, scale=scale).overlay_instances(
        boxes=found.pred_boxes,
        masks=found.pred_masks if found.has("pred_masks") else None,
        assigned_colors=colours,
    )
    picture = Image.fromarray(shapes.get_image())
    names = [metadata.thing_classes[c] for c in found.pred_classes.tolist()]
    texts = [
        (f"{name} {100 * score:.0f}%", name)
        for name, score in zip(names, found.scores.tolist(), strict=True)
    ]
    limits = (*picture.size, *picture.size)
    boxes = (found.pred_boxes.tensor.numpy() * scale).clip(0, limits)
    draw_labels(picture, place_labels(texts, boxes, *picture.size), colours)
    return np.asarray(picture)


def best_of_each_place(instances: Instances, overlap: float) -> Instances:
    """Those that no better one, whatever its name, overlaps more than so much (IoU); best first.

    What hides another cannot be read. Overlap is that of the masks, or of the boxes where there are
    none.
    """
    found = instances.to("cpu")
    if overlap >= 1:
        return found[found.scores.argsort(descending=True, stable=True)]
    if found.has("pred_masks"):
        iou = mask_ious(found.pred_masks)
    else:
        iou = pairwise_iou(found.pred_boxes, found.pred_boxes)
    return found[suppress(iou, found.scores, overlap)]


def worth_drawing(instances: Instances) -> Instances:
    """The few that a picture has room for: the best of each place, and none whose score is small
    beside the best one's."""
    best = best_of_each_place(instances, _SAME_PLACE)[:_MOST_DRAWN]
    return best[best.scores >= _LEAST_SHARE * best.scores[:1]]


def _colour(index: int) -> Colour:
    """Hues a golden section apart: far from the last one's, and never the same."""
    return colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.85, 0.95)


def as_jpeg(picture: Image.Image) -> bytes:
    """The bytes of a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()
