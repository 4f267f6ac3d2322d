"""A hand-made scene: two squares of one name that touch, and one of another name."""

import numpy as np
from pycocotools import mask as mask_util

BOXES = ((20, 20, 60, 60), (60, 20, 100, 60), (30, 90, 70, 120))  # XYXY
CATEGORIES = (3, 3, 8)
COLOURS = ((200, 40, 40), (40, 60, 200), (220, 200, 40))


def scene_dict(boxes=BOXES, categories=CATEGORIES, size=128) -> dict:
    """COCO-format annotations of rectangles, masks as RLE."""
    annotations = []
    for n, ((x0, y0, x1, y1), category) in enumerate(zip(boxes, categories, strict=True), 1):
        mask = np.zeros((size, size), np.uint8, order="F")
        mask[y0:y1, x0:x1] = 1
        rle = mask_util.encode(mask)
        annotations.append(
            {
                "id": n,
                "image_id": 1,
                "category_id": category,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": int(mask.sum()),
                "iscrowd": 0,
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
            }
        )
    return {
        "images": [{"id": 1, "file_name": "1.png", "height": size, "width": size}],
        "annotations": annotations,
        "categories": [{"id": 3, "name": "red"}, {"id": 8, "name": "blue"}],
    }


def scene_image() -> np.ndarray:
    """RGB uint8 [128, 128, 3]."""
    image = np.full((128, 128, 3), 90, np.uint8)
    for (x0, y0, x1, y1), colour in zip(BOXES, COLOURS, strict=True):
        image[y0:y1, x0:x1] = colour
    return image
