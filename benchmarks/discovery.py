"""Discovery against the released demo's plain procedure on a feature map of full size."""

import time
from collections.abc import Callable

import open_clip
import torch
import torch.nn.functional as F
from tests.references.discovery import PlainObject, plain_discover
from torch import Tensor
from torchvision.ops import box_iou

from zipseg.modeling.stages.discovery import Clusters
from zipseg.structures import Activation, Proposals
from zipseg.zipworld.scenes import render_scene

STRIDE = 16


def discovery_benchmark(
    channels: int = 2048, grid: tuple[int, int] = (128, 171), names: int = 10, repeats: int = 3
) -> dict:
    """Seconds of both procedures, back to back, on two kinds of features [channels, *grid].

    Returns:
        For "resnet" (the middle layer of a CLIP ResNet with random weights, of a drawn scene) and
        "field" (a smooth random field) a dict of ``plain_s``, ``fast_s``, ``speedup``, ``objects``
        and ``min_box_iou``: the least IoU between an object of one and its match in the other, 0
        when their numbers or names differ.
    """
    torch.manual_seed(0)
    activation = random_activation(names, grid)
    sources = {"resnet": resnet_features, "field": random_field}
    return {
        name: _compare(source(channels, grid), activation, repeats)
        for name, source in sources.items()
    }


def resnet_features(channels: int, grid: tuple[int, int]) -> Tensor:
    """[channels, h, w] of a drawn scene at ``layer3`` of a shallow ModifiedResNet."""
    tower = open_clip.modified_resnet.ModifiedResNet(
        (1, 1, 2, 1), output_dim=64, heads=8, image_size=64, width=channels // 16
    ).eval()
    scene = torch.from_numpy(render_scene(0).image).permute(2, 0, 1)[None] / 127.5 - 1
    image = F.interpolate(scene, [STRIDE * side for side in grid], mode="bicubic")
    with torch.no_grad():
        return tower.layer3(tower.layer2(tower.layer1(tower.stem(image))))[0]


def random_field(channels: int, grid: tuple[int, int]) -> Tensor:
    """[channels, h, w]: random waves of three lengths, the negative half cut off."""
    waves = [
        amplitude * F.interpolate(
            torch.randn(1, channels, grid[0] // length, grid[1] // length), grid, mode="bicubic"
        )
        for length, amplitude in ((32, 1.0), (8, 0.7), (2, 0.4))
    ]  # fmt: skip
    return sum(waves)[0].relu()


def random_activation(names: int, grid: tuple[int, int]) -> Activation:
    """Smooth activation maps [names, h, w], active over some third of the grid each."""
    coarse = torch.rand(1, names, 8, 10)
    similarity = F.interpolate(coarse, grid, mode="bicubic")[0].clamp(0, 1)
    return Activation(similarity, similarity > 0.6)


def min_box_iou(objects: Proposals, expected: list[PlainObject]) -> float:
    """The least IoU of an object with the expected one of its name that it overlaps most; 0 when
    there are more or fewer of a name."""
    categories = torch.tensor([each.category for each in expected], dtype=torch.int64)
    if not torch.equal(objects.category.sort().values, categories.sort().values):
        return 0.0
    boxes = torch.tensor([each.box for each in expected]).float().reshape(-1, 4)
    iou = box_iou(objects.box, boxes) * (objects.category[:, None] == categories)
    best = torch.cat([iou.amax(dim=0), iou.amax(dim=1)]) if len(boxes) else iou.new_ones(1)
    return best.min().item()


def _compare(features: Tensor, activation: Activation, repeats: int) -> dict:
    discover, size = Clusters(), features.shape[1:]  # a cell is a pixel
    discover(features, activation, size)
    fast, (objects, _) = _timed(lambda: discover(features, activation, size), repeats)
    plain, expected = _timed(lambda: plain_discover(features, activation), 1)
    return {
        "plain_s": plain,
        "fast_s": fast,
        "speedup": plain / fast,
        "objects": len(expected),
        "min_box_iou": min_box_iou(objects, expected),
    }


def _timed(run: Callable, repeats: int) -> tuple[float, object]:
    """Mean seconds over ``repeats`` runs, and the result."""
    start = time.perf_counter()
    for _ in range(repeats):
        result = run()
    return (time.perf_counter() - start) / repeats, result
