"""What the truth says about the cells of a feature grid: activations, contacts, interiors."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pycocotools import mask as mask_util
from scipy import ndimage
from torch import Tensor

from ...data.coco_format import GroundTruth
from ...modeling.stages import regions
from ...structures import Activation

TOUCHING = 2  # pixels between two objects that touch
INTERIOR = 2  # cells from an object's contour to its interior


class Oracle(NamedTuple):
    """What holds for the cells of a grid, one plane for each of an image's P categories."""

    activation: Activation  # of a perfect semantic half
    label: Tensor  # int64 [P, h, w], 1..G, 0 for none
    contact: Tensor  # bool [P, h, w], cells that hold a contact pixel
    interior: Tensor  # bool [P, h, w], cells deep inside an object


class ProbedImage(NamedTuple):
    """An image with its G objects, crowds left out."""

    image_id: int
    image: Tensor  # RGB, uint8 [3, H, W]
    category: NDArray  # int64 [P], the ids of its categories
    plane: NDArray  # int64 [G], the category of each object
    box: NDArray  # float64 [G, 4], XYXY in pixels
    oracle: dict[int, Oracle]  # for grids of so many cells on the short side


def read_image_objects(
    truth: GroundTruth, image_id: int, image: Tensor, cells: Iterable[int]
) -> ProbedImage:
    """The objects of an image. Where masks of one category overlap, the later one is in front."""
    rows = np.flatnonzero((truth.image == image_id) & ~truth.crowd)
    masks = mask_util.decode([truth.rles[row] for row in rows]).transpose(2, 0, 1)
    category, plane = np.unique(truth.category[rows], return_inverse=True)
    label = np.zeros((len(category), *masks.shape[1:]), np.int64)
    np.maximum.at(label, plane, masks * (np.arange(len(rows)) + 1)[:, None, None])
    box = truth.box[rows] + np.pad(truth.box[rows, :2], ((0, 0), (2, 0)))
    contact = torch.from_numpy(_contact(label))
    label = torch.from_numpy(label)
    oracle = {n: on_grid(label, contact, grid_of(image, n)) for n in cells}
    return ProbedImage(image_id, image, category, plane, box, oracle)


def grid_of(image: Tensor, cells: int) -> tuple[int, int]:
    """The grid (h, w) of square cells with ``cells`` on the short side of an image [3, H, W]."""
    height, width = image.shape[-2:]
    short = min(height, width)
    return round(cells * height / short), round(cells * width / short)


def _contact(label: NDArray) -> NDArray:
    """Labelled pixels [P, H, W] with another label of their plane within ``TOUCHING`` pixels."""
    y, x = np.ogrid[-TOUCHING : TOUCHING + 1, -TOUCHING : TOUCHING + 1]
    disc = (y**2 + x**2 <= TOUCHING**2)[None]
    highest = ndimage.maximum_filter(label, footprint=disc)
    lowest = ndimage.minimum_filter(np.where(label > 0, label, label.max() + 1), footprint=disc)
    return (label > 0) & (highest != lowest)


def covering(region: Tensor, grid: tuple[int, int]) -> Activation:
    """The activation of regions bool [P, H, W]: the share of each of (h, w) cells that they cover,
    active from a half on."""
    covered = F.adaptive_avg_pool2d(region.float(), grid)
    return Activation(covered, covered >= 0.5)


def on_grid(label: Tensor, contact: Tensor, grid: tuple[int, int]) -> Oracle:
    """Brings the truth to a grid of (h, w) cells.

    A cell is active when at least half of it is covered, belongs to the object at its centre, and
    is a contact when any of its pixels is.

    Args:
        label: int64 [P, H, W], 1..G for the objects' visible pixels, 0 for none.
        contact: bool [P, H, W], pixels where two objects of one category touch.
    """
    activation = covering(label > 0, grid)
    active = activation.active
    label = F.interpolate(label[None].double(), grid, mode="nearest-exact")[0].long()
    contact = F.adaptive_max_pool2d(contact.float(), grid) > 0
    deep = torch.from_numpy(regions.depth(label.numpy())) > INTERIOR
    return Oracle(activation, label, contact & active, deep & (label > 0) & active)
