"""Prompts for SAM's training: jittered boxes and points of objects, and prompts of nothing."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Prompts(NamedTuple):
    """Prompts of one image, all of one kind."""

    box: Tensor | None  # float32 [N, 4] XYXY in pixels
    point: Tensor | None  # float32 [N, 1, 2] XY in pixels, of label 1
    target: Tensor  # int64 [N] index of the object, -1 for a prompt that means none

    def to(self, device: torch.device) -> "Prompts":
        return Prompts(*(None if value is None else value.to(device) for value in self))

    def moved(self, x: int, y: int) -> "Prompts":
        """The same prompts in an image whose pixel (x, y) was this one's first."""
        offset = torch.tensor([x, y])
        return self._replace(
            box=None if self.box is None else self.box + offset.repeat(2),
            point=None if self.point is None else self.point + offset,
        )

    def encode(self, prompt_encoder: torch.nn.Module) -> tuple[Tensor, Tensor]:
        """Sparse [N, T, C] and dense [N, C, h, w] embeddings by SAM's prompt encoder."""
        points = None
        if self.point is not None:
            points = (self.point, self.target.new_ones(self.point.shape[:2]))
        return prompt_encoder(points=points, boxes=self.box, masks=None)


def object_boxes(owner: np.ndarray, objects: int) -> np.ndarray:
    """Boxes float32 [objects, 4] XYXY, upper ends exclusive, of the objects in an owner map
    [H, W]; zeros for an object that is not in it."""
    boxes = np.zeros((objects, 4), np.float32)
    for index in range(objects):
        rows, columns = (np.flatnonzero((owner == index).any(axis)) for axis in (1, 0))
        if len(rows):
            boxes[index] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def draw_prompts(owner: np.ndarray, each: int, rng: np.random.Generator) -> list[Prompts]:
    """Training prompts of one scene: ``each`` + 1 boxes and as many points, or, for a quarter of
    the scenes, ``2 * each`` boxes with a point.

    Box corners are off by a normal error of 6 % of the box's sides. The last box lies anywhere and
    the last point on the ground: these two mean no object, so that the predicted IoU learns to
    tell good prompts from bad ones.

    Args:
        owner: int [H, W], -1 for ground.
        each: object prompts of a kind.
        rng: decides everything.
    """
    objects = int(owner.max()) + 1
    boxes = object_boxes(owner, objects)
    chosen = rng.permutation(np.resize(rng.permutation(objects), 2 * each))
    jittered = _jitter(boxes[chosen], owner.shape, rng)
    points = np.stack([_point(owner == index, rng) for index in chosen])
    if rng.random() < 0.25:
        return [_prompts(jittered, points, chosen)]
    anywhere = _random_box(owner.shape, rng)
    nowhere = _point(owner < 0, rng)
    return [
        _prompts(np.vstack([jittered[:each], anywhere]), None, [*chosen[:each], -1]),
        _prompts(None, np.vstack([points[each:], nowhere]), [*chosen[each:], -1]),
    ]


def _prompts(box: np.ndarray | None, point: np.ndarray | None, target) -> Prompts:
    return Prompts(
        None if box is None else torch.from_numpy(box.astype(np.float32)),
        None if point is None else torch.from_numpy(point.astype(np.float32))[:, None],
        torch.as_tensor(np.asarray(target, np.int64)),
    )


def _jitter(boxes: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    limit = np.array([shape[1], shape[0]] * 2, np.float32)
    return (boxes + 0.06 * sides * rng.standard_normal(boxes.shape)).clip(0, limit)


def _random_box(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    side = rng.uniform(12, 140, 2)
    corner = rng.uniform(0, 1, 2) * (np.array(shape[::-1]) - side)
    return np.concatenate([corner, corner + side])[None]


def _point(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """XY of a random pixel of a mask that is not empty, else of the corner."""
    pixels = np.flatnonzero(mask)
    if not len(pixels):
        return np.zeros(2)
    y, x = divmod(int(pixels[rng.integers(len(pixels))]), mask.shape[1])
    return np.array([x, y], np.float32)
