"""A small set of squares and discs as a COCO-format file of pseudo-labels, and its config."""

import json
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_util

from zipseg.data.label_files import register_label_files
from zipseg.engine.setup import load_config

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
TINY = str(Path(__file__).with_name("tiny_mask_rcnn.yaml"))
SIDE = 64


def encode(mask: np.ndarray) -> dict:
    """COCO's compressed RLE of a mask [h, w]."""
    rle = mask_util.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def write_label_file(folder: Path, images: int = 6, **changes) -> Path:
    """Pictures of a bright square and a dark disc each, with labels of score 0.9 and 0.4.

    ``changes`` replace top-level entries of the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    content = {
        "info": {"provenance": {"source": {"name": "folder", "root": str(folder)}}},
        "licenses": [],
        "images": [],
        "annotations": [],
        "categories": [{"id": 3, "name": "square"}, {"id": 8, "name": "disc"}],
    }
    for number in range(images):
        picture = rng.integers(90, 120, (SIDE, SIDE, 3), dtype=np.uint8)
        square, disc = np.zeros((2, SIDE, SIDE), np.uint8)
        x, y = rng.integers(2, 12, 2).tolist()
        square[y : y + 20, x : x + 20] = 1
        cv2.circle(disc, rng.integers(40, 52, 2).tolist(), 10, 1, -1)
        picture[square > 0], picture[disc > 0] = (250, 240, 230), (10, 20, 30)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        content["images"].append(
            {"id": number + 1, "file_name": f"{number}.png", "height": SIDE, "width": SIDE}
        )
        for category, score, mask in ((3, 0.9, square), (8, 0.4, disc)):
            rle = encode(mask)
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": number + 1,
                    "category_id": category,
                    "bbox": mask_util.toBbox(rle).tolist(),
                    "area": int(mask.sum()),
                    "iscrowd": 0,
                    "segmentation": rle,
                    "score": score,
                }
            )
    path = folder / "labels.json"
    path.write_text(json.dumps(content | changes))
    return path


def tiny_config(label_file: Path, output: Path, *options, config: str = TINY):
    """A registered label file's config, with KEY, VALUE pairs; not frozen."""
    given = ["DATASETS.TRAIN", f"('{label_file}',)", "OUTPUT_DIR", str(output)]
    cfg = load_config(config, [*given, *options])
    register_label_files(cfg)
    return cfg
