"""What several models make of the same images, a column a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from detectron2.data import Metadata
from detectron2.structures import Instances
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .overlays import draw_instances, worth_drawing

_SIDE = 3.2  # of a picture, inches


def save_side_by_side(
    path: str | Path,
    images: Sequence[np.ndarray],
    found: Mapping[str, Sequence[Instances]],
    names: Sequence[str],
) -> None:
    """Writes a PNG with a row for each image: the image, and the instances of each model on it.

    Args:
        images: one or more, uint8 [H, W, 3], RGB.
        found: what to call a model -> its instances on each image, at the image's size.
        names: of the categories.
    """
    metadata = Metadata(thing_classes=list(names))
    size = (_SIDE * (1 + len(found)), _SIDE * len(images))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(images), 1 + len(found), squeeze=False)
    for row, rgb in enumerate(images):
        axes[row, 0].imshow(rgb)
        for column, instances in enumerate(found.values(), 1):
            drawn = draw_instances(rgb, worth_drawing(instances[row]), metadata)
            axes[row, column].imshow(drawn)
    for axis, title in zip(axes[0], ("image", *found), strict=True):
        axis.set_title(title)
    for axis in axes.ravel():
        axis.axis("off")
    FigureCanvasAgg(figure).print_png(str(path))
