"""Annotations, and detections made of them by every way of being wrong."""

import numpy as np
from pycocotools import mask as mask_utils

from zipseg.data.coco_format.segmentation import compressed

NAMES = ("apple", "pear", "plum", "fig", "lime")


def small_dataset(seed: int = 0, images: int = 12, height: int = 120, width: int = 160) -> dict:
    """COCO-format annotations without ``info``: boxes with masks, some crowds, an empty image."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image in range(1, images):
        for _ in range(rng.integers(1, 12)):
            size = np.exp(rng.uniform(1.5, 4.7, 2)).clip(4, 110)
            x, y = rng.uniform(0, (width, height) - size).tolist()
            w, h = size.tolist()
            segmentation = [[x, y, x + w, y, x + w, y + 0.8 * h, x + 0.6 * w, y + h, x, y + h]]
            crowd = int(rng.random() < 0.1)
            if crowd:
                rle = mask_utils.merge(mask_utils.frPyObjects(segmentation, height, width))
                counts = rle_counts(mask_utils.decode(rle))
                segmentation = {"size": [height, width], "counts": counts}
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image * 7,
                    "category_id": int(rng.integers(1, len(NAMES))) * 3,
                    "bbox": [float(v) for v in (x, y, w, h)],
                    "area": float(0.9 * w * h),
                    "iscrowd": crowd,
                    "segmentation": segmentation,
                }
            )
    return {
        "images": [
            {"id": i * 7, "file_name": f"{i}.jpg", "height": height, "width": width}
            for i in range(images)
        ],
        "annotations": annotations,
        "categories": [{"id": (i + 1) * 3, "name": name} for i, name in enumerate(NAMES)],
    }


def rle_counts(mask: np.ndarray) -> list[int]:
    """uint8 [H, W] -> COCO's uncompressed counts, column-major, starting with zeros."""
    flat = np.r_[0, mask.ravel(order="F"), 0]
    edges = np.flatnonzero(np.diff(flat))
    return np.diff(np.r_[0, edges, mask.size]).tolist() if len(edges) else [mask.size]


def as_lvis(dataset: dict, seed: int = 0) -> dict:
    """The same objects with LVIS's fields: no crowds, federated lists, frequencies."""
    rng = np.random.default_rng(seed)
    ids = [category["id"] for category in dataset["categories"]]
    objects = [{**a, "iscrowd": 0} for a in dataset["annotations"] if not a["iscrowd"]]
    present = {image["id"]: set() for image in dataset["images"]}
    for annotation in objects:
        present[annotation["image_id"]].add(annotation["category_id"])
    images = []
    for image in dataset["images"]:
        here = sorted(present[image["id"]])
        absent = [i for i in ids if i not in here and rng.random() < 0.4]
        inexhaustive = [i for i in here if rng.random() < 0.3]
        images.append(
            {
                **image,
                "neg_category_ids": absent,
                "not_exhaustive_category_ids": inexhaustive,
                "coco_url": "",
            }
        )
    categories = [
        {**category, "frequency": "rcf"[i % 3]} for i, category in enumerate(dataset["categories"])
    ]
    return {**dataset, "images": images, "annotations": objects, "categories": categories}


def perturb(dataset: dict, seed: int = 0, *, crowded: int = 0) -> list[dict]:
    """Results: of each object up to three jittered copies, some misnamed, some empty; scores with
    many ties.

    Args:
        crowded: the first annotated image gets so many more detections.
    """
    rng = np.random.default_rng(seed)
    sizes = {image["id"]: (image["height"], image["width"]) for image in dataset["images"]}
    ids = [category["id"] for category in dataset["categories"]]
    results = []
    extra = [dataset["annotations"][0]] * crowded
    for annotation in dataset["annotations"] + extra:
        copies = (
            1 if annotation is dataset["annotations"][0] else rng.choice(4, p=[0.2, 0.5, 0.2, 0.1])
        )
        for _ in range(copies):
            misnamed = rng.random() < 0.15
            category = int(rng.choice(ids)) if misnamed else annotation["category_id"]
            results.append(
                {
                    "image_id": annotation["image_id"],
                    "category_id": category,
                    "score": round(float(rng.random()), 1),
                    **_jittered(annotation, *sizes[annotation["image_id"]], rng),
                }
            )
    order = rng.permutation(len(results))
    return [results[i] for i in order]


def _jittered(annotation: dict, height: int, width: int, rng: np.random.Generator) -> dict:
    box = np.array(annotation["bbox"]) * np.exp(rng.normal(0, 0.08, 4))
    x, y, w, h = box.tolist()
    if rng.random() < 0.03:
        rle = mask_utils.encode(np.zeros((height, width), dtype=np.uint8, order="F"))
        counts = rle["counts"].decode()
        return {"bbox": [x, y, 0, 0], "segmentation": {"size": rle["size"], "counts": counts}}
    mask = mask_utils.decode(compressed(annotation["segmentation"], (height, width)))
    shift = (rng.normal(0, 0.06, 2) * annotation["bbox"][:1:-1]).round().astype(int)
    rle = mask_utils.encode(np.asfortranarray(np.roll(mask, shift, (0, 1))))
    counts = rle["counts"].decode()
    return {"bbox": [x, y, w, h], "segmentation": {"size": rle["size"], "counts": counts}}
