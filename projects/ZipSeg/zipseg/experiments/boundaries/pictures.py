"""Pictures of a probe: the image with its objects, the boundaries, and what was found."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ...modeling.stages.discovery import Discovery
from .methods import METHODS
from .oracle import ProbedImage, grid_of
from .sources import FeatureSource

SIDE = 384  # pixels of the short side of each panel
WHITE, GREEN = (255, 255, 255), (0, 255, 0)


@torch.no_grad()
def draw(
    source: FeatureSource,
    scenes: list[ProbedImage],
    name: str,
    cells: int,
    settings: Discovery,
    folder: Path,
) -> None:
    """Writes ``SOURCE_METHOD_IMAGE.png``: true boxes | boundaries and contacts | found boxes.

    Args:
        name: of the method, with the cells and settings to draw.
    """
    folder.mkdir(parents=True, exist_ok=True)
    method = METHODS[name]
    for scene in scenes:
        oracle, activation = scene.oracle[cells], scene.oracle[cells * method.fine].activation
        grid = grid_of(scene.image, cells)
        features = source.extract(scene.image, grid)
        cuts = method.cuts(features, activation, settings)
        (objects,) = method.discover(features, activation, [settings], scene.image.shape[-2:])
        rgb = scene.image.permute(1, 2, 0).numpy()
        map_ = np.zeros((*grid, 3), np.uint8)
        map_[oracle.activation.active.any(dim=0)] = 70
        map_[cuts.boundary.any(dim=0)] = WHITE
        map_[oracle.contact.any(dim=0)] //= 2
        map_[oracle.contact.any(dim=0), 0] = 255
        panels = [_panel(rgb, scene.box), _panel(map_), _panel(rgb, objects.box.numpy())]
        picture = np.concatenate(panels, axis=1)
        cv2.imwrite(str(folder / f"{source.name}_{name}_{scene.image_id}.png"), picture[..., ::-1])


def _panel(rgb: NDArray, boxes: NDArray = ()) -> NDArray:
    """Enlarged, with XYXY boxes [N, 4]."""
    scale = SIDE / min(rgb.shape[:2])
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    panel = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_NEAREST)
    for x0, y0, x1, y1 in (np.asarray(boxes) * scale).round().astype(int).tolist():
        cv2.rectangle(panel, (x0, y0), (x1 - 1, y1 - 1), GREEN, 1)
    return panel
