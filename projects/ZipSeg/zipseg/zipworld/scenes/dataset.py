"""ZipWorld's evaluation splits as Detectron2 data sets in COCO format, rendered on demand."""

import os
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json
from pycocotools import mask as mask_util
from tqdm import tqdm

from ...utils.files import write_atomically, write_json
from .scene import Scene, scene_for
from .splits import CATEGORY_NAMES, EVALUATION_SPLITS, SPLITS, UNSEEN_NAMES


def _default_root() -> Path:
    return Path(os.environ.get("DETECTRON2_DATASETS", "datasets")).expanduser()


def _image_root(split: str, root: Path) -> Path:
    return root / "zipworld" / split.removeprefix("zipworld_")


def _json_file(split: str, root: Path) -> Path:
    return root / "zipworld" / "annotations" / f"{split}.json"


def scene_annotations(scene: Scene, image_id: int, first_id: int) -> list[dict]:
    """COCO annotations of a scene's visible objects, with ids from ``first_id`` on.

    Masks are compressed RLE, boxes XYWH in pixels, areas in visible pixels, and category ids the
    positions in ``CATEGORY_NAMES`` counted from 1.
    """
    rles = mask_util.encode(np.asfortranarray(scene.masks.transpose(1, 2, 0), dtype=np.uint8))
    areas, boxes = mask_util.area(rles).tolist(), mask_util.toBbox(rles).tolist()
    return [
        {
            "id": first_id + position,
            "image_id": image_id,
            "category_id": category + 1,
            "bbox": box,
            "area": area,
            "iscrowd": 0,
            "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
        }
        for position, (category, box, area, rle) in enumerate(
            zip(scene.categories.tolist(), boxes, areas, rles, strict=True)
        )
    ]


def _write_image(path: Path, image: np.ndarray) -> None:
    """Write RGB ``image`` as PNG all at once, unless the file already holds just that."""
    _, encoded = cv2.imencode(".png", image[:, :, ::-1], (cv2.IMWRITE_PNG_COMPRESSION, 3))
    content = encoded.tobytes()
    if path.is_file() and path.read_bytes() == content:
        return
    write_atomically(path, content)


def ensure_rendered(split: str, root: str | Path | None = None) -> Path:
    """Render a split into ``root/zipworld`` unless it is there, and return its COCO-format file.

    That file is written last and marks the split as complete. A run that was cut off is taken up
    again; two runs at a time write the same bytes. What was rendered from other scenes is rendered
    anew.

    Args:
        split: one of ``EVALUATION_SPLITS``.
        root: None for DETECTRON2_DATASETS, or ``datasets`` where that is not set.

    Raises:
        KeyError: no such split.
    """
    if split not in EVALUATION_SPLITS:
        raise KeyError(f"no such ZipWorld data set: {split}; there are {EVALUATION_SPLITS}")
    root = _default_root() if root is None else Path(root)
    folder, json_file = _image_root(split, root), _json_file(split, root)
    names = [f"{index:06d}.png" for index in range(len(SPLITS[split]))]
    folder.mkdir(parents=True, exist_ok=True)
    description = _description(split)
    if _is_of(json_file, description) and set(os.listdir(folder)).issuperset(names):
        return json_file
    images, annotations = [], []
    for index, name in enumerate(tqdm(names, desc=f"rendering {split}", unit="scene")):
        scene = scene_for(split, index)
        _write_image(folder / name, scene.image)
        height, width = scene.image.shape[:2]
        images.append({"id": index + 1, "file_name": name, "height": height, "width": width})
        annotations += scene_annotations(scene, index + 1, len(annotations) + 1)
    content = {
        "info": {"description": description},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORY_NAMES, 1)],
    }
    write_json(json_file, content)
    return json_file


def _description(split: str) -> str:
    seeds = SPLITS[split]
    return f"ZipWorld, {split}: procedural scenes of cushions, seeds {seeds[0]} to {seeds[-1]}"


def _is_of(json_file: Path, description: str) -> bool:
    """Whether a file is there and begins with a description."""
    try:
        with open(json_file, encoding="utf-8") as file:
            return description in file.read(500)
    except FileNotFoundError:
        return False


def _load(split: str, root: Path) -> list[dict]:
    json_file = ensure_rendered(split, root)
    return load_coco_json(str(json_file), str(_image_root(split, root)), split)


def register_zipworld(root: str | Path | None = None) -> None:
    """Register each of ``EVALUATION_SPLITS`` with Detectron2.

    Nothing is rendered before a data set is first loaded. Masks are RLE: a Detectron2 mapper needs
    ``INPUT.MASK_FORMAT: bitmask``. Calling it again is harmless; another root replaces the first.

    Args:
        root: as for ``ensure_rendered``.
    """
    root = _default_root() if root is None else Path(root)
    for split in EVALUATION_SPLITS:
        if split in DatasetCatalog.list():
            if MetadataCatalog.get(split).image_root == str(_image_root(split, root)):
                continue
            DatasetCatalog.remove(split)
            MetadataCatalog.remove(split)
        DatasetCatalog.register(split, partial(_load, split, root))
        MetadataCatalog.get(split).set(
            json_file=str(_json_file(split, root)),
            image_root=str(_image_root(split, root)),
            evaluator_type="coco",
            thing_classes=list(CATEGORY_NAMES),
            thing_dataset_id_to_contiguous_id={i + 1: i for i in range(len(CATEGORY_NAMES))},
            unseen_names=UNSEEN_NAMES,
        )
