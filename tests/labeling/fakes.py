"""A cheap model and small images for the tests of the labelling run."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from detectron2.config import get_cfg
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Boxes, Instances
from PIL import Image
from torch import nn

from zipseg.config import add_zip_config
from zipseg.labeling.errors import Rules
from zipseg.labeling.labeler import Labeler
from zipseg.labeling.provenance import describe
from zipseg.labeling.runner import label_source
from zipseg.labeling.sources import images_source, use_vocabulary

TINY_CONFIG = Path(__file__).with_name("tiny_mask_rcnn.yaml").resolve()


@META_ARCH_REGISTRY.register()
class PixelHashModel(nn.Module):
    """Zero to four rectangles that depend on every byte of the image and on nothing else."""

    def __init__(self, cfg) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.classes = 3

    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        return [{"instances": self.detect(x)} for x in batched_inputs]

    def detect(self, image: dict) -> Instances:
        height, width = image["height"], image["width"]
        rng = np.random.default_rng(zlib.crc32(image["image"].numpy().tobytes()))
        count = int(rng.integers(0, 5))
        corner = rng.uniform(0, 0.5, (count, 2)) * (width, height)
        size = rng.uniform(0.2, 0.5, (count, 2)) * (width, height)
        boxes = torch.tensor(np.hstack([corner, corner + size]), dtype=torch.float32)
        masks = torch.zeros(count, height, width, dtype=torch.bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
            mask[y0:y1, x0:x1] = True
        result = Instances((height, width))
        result.pred_boxes = Boxes(boxes)
        result.scores = torch.tensor(rng.uniform(0, 1, count), dtype=torch.float32)
        result.pred_classes = torch.tensor(rng.integers(0, self.classes, count))
        result.pred_masks = masks
        return result


def write_images(folder: Path, count: int, size: tuple[int, int] = (24, 32)) -> None:
    """Distinct small PNG images."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:05d}.png", compress_level=1)


def fake_config(**changes):
    cfg = get_cfg()
    add_zip_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = "PixelHashModel"
    cfg.MODEL.DEVICE = "cpu"
    cfg.INPUT.MIN_SIZE_TEST = 0
    cfg.merge_from_list([x for pair in changes.items() for x in pair])
    return cfg


def fake_run(
    images: Path,
    output: Path,
    model: nn.Module | None = None,
    rules: Rules | None = None,
    **changes,
) -> int:
    """Labels a folder in this process; ``changes`` are config keys with "__" for "."."""
    source = images_source([str(images)], "a,b,c")
    cfg = fake_config(**{k.replace("__", "."): v for k, v in changes.items()})
    use_vocabulary(cfg, source)
    model = model or PixelHashModel(cfg)
    provenance = describe(cfg, model, source, ["test"])
    provenance |= {"code": "test", "commit": "test"}  # the sources may be edited meanwhile
    labeler = Labeler(cfg, model, source.categories)
    return label_source(labeler, source, provenance, output, rules or Rules(), quiet=True)


def without_date(path: Path) -> bytes:
    """A labels file's bytes, its date aside."""
    first, _, rest = path.read_bytes().partition(b"\n")
    assert b"date_created" in first
    return rest


def arguments(folder: Path, output: Path, *more: str) -> list[str]:
    """Of the command line, for ``folder/images`` and ``folder/names.txt``."""
    what = [str(folder / "images"), "--names", str(folder / "names.txt")]
    return ["--config-file", str(TINY_CONFIG), *what, "--output", str(output), *more]


def content(output: Path) -> tuple[bytes, bytes]:
    """All that the files of a run say, the date aside, and byte for byte but for the sources'
    checksum and commit, since sources may be edited while these tests run."""
    text = without_date(output / "labels.json")
    for key in ("code", "commit"):
        value = json.loads((output / "labels.json").read_text())["info"]["provenance"][key]
        text = text.replace(value.encode(), b"")
    return text, (output / "failures.json").read_bytes()
