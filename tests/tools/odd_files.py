"""A small truth with results and labels, and the odd files that annotation tools make of them."""

import copy
import json
from pathlib import Path

from pycocotools import mask as mask_util

SIZE = [48, 64]  # height, width


def rectangle(x: int, y: int, w: int, h: int) -> list[int]:
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def rle(polygon: list[int], size: list[int] = SIZE) -> dict:
    counts = mask_util.merge(mask_util.frPyObjects([polygon], *size))["counts"].decode()
    return {"size": size, "counts": counts}


OBJECTS = ((1, 1, (5, 5, 20, 15)), (2, 2, (10, 10, 20, 20)), (2, 1, (40, 20, 15, 15)))
TRUTH = {
    "info": {},
    "licenses": [],
    "images": [
        {"id": 1, "file_name": "a.jpg", "width": 64, "height": 48},
        {"id": 2, "file_name": "b.jpg", "width": 64, "height": 48},
    ],
    "annotations": [
        {
            "id": number,
            "image_id": image,
            "category_id": category,
            "bbox": list(box),
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": [rectangle(*box)],
        }
        for number, (image, category, box) in enumerate(OBJECTS, 1)
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}
RESULTS = [
    {
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "score": score,
        "segmentation": rle(rectangle(*box)),
    }
    for (image, category, box), score in zip(OBJECTS, (0.9, 0.9, 0.8), strict=True)
]


def edited(content, edit):
    """A copy after ``edit``, which changes it in place."""
    content = copy.deepcopy(content)
    edit(content)
    return content


def every(content, **fields):
    """A copy with fields of every annotation or result changed; ``...`` removes one."""
    content = copy.deepcopy(content)
    for entry in content if isinstance(content, list) else content["annotations"]:
        entry.update(fields)
        for key in [key for key, value in fields.items() if value is ...]:
            del entry[key]
    return content


def written(path: Path, content: object) -> Path:
    """The file with bytes, text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def scored(truth: dict) -> dict:
    """A truth as labels with scores."""
    return edited(truth, lambda t: [a.update(score=0.9) for a in t["annotations"]])
