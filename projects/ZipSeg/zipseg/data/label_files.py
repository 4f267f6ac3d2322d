"""COCO-format files as data sets whose name is their path."""

import os
from collections.abc import Sequence
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode

from ..utils.errors import ConfigError
from .coco_format import read_labels


def register_label_files(cfg: CfgNode, keys: Sequence[str] = ("TRAIN", "TEST")) -> None:
    """Registers every ``.json`` entry of DATASETS.TRAIN and DATASETS.TEST under its path.

    Args:
        keys: which of the two.

    Raises:
        ConfigError: no such file, or its images' folder is unknown.
        FormatError: a file that is not in COCO's format; the message says where.
    """
    for key in keys:
        for name in cfg.DATASETS[key]:
            if name.endswith(".json"):
                _register(name, f"DATASETS.{key}", cfg.TRAINING.IMAGE_ROOT)


def local_path(text: str) -> Path:
    """The path with ``~`` and environment variables replaced; DETECTRON2_DATASETS is "datasets"
    where it is not set, as for Detectron2."""
    root = os.environ.get("DETECTRON2_DATASETS", "datasets")
    return Path(os.path.expandvars(text.replace("$DETECTRON2_DATASETS", root))).expanduser()


def _register(name: str, key: str, image_root: str) -> None:
    path = local_path(name)
    if not path.is_file():
        raise ConfigError(key, f"'{path}' does not exist; make it or mend the path")
    file = _LabelFile(path, image_root)
    if name in DatasetCatalog.list():  # the file or its folder may have changed since
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    DatasetCatalog.register(name, file)
    MetadataCatalog.get(name).set(
        json_file=str(path),
        image_root=str(file.root),
        evaluator_type="coco",
        thing_classes=file.classes,
        thing_dataset_id_to_contiguous_id=file.contiguous,
    )


class _LabelFile:
    """Loads the file's records. The first reading, which the vocabulary needs, serves the first
    call too; after that nothing of it stays in memory."""

    def __init__(self, path: Path, image_root: str) -> None:
        self.path = path
        labels = self._labels = read_labels(path)
        categories = sorted(labels["categories"], key=lambda category: category["id"])
        if not categories:
            raise ConfigError("DATASETS", f"{path} has no categories")
        if not labels["images"]:
            raise ConfigError("DATASETS", f"{path} has no images")
        self.classes = [category["name"] for category in categories]
        self.contiguous = {category["id"]: i for i, category in enumerate(categories)}
        self.root = _image_root(path, labels, image_root)

    def __call__(self) -> list[dict]:
        """Detectron2's records; annotations carry ``score`` and, if they have one, an RLE mask."""
        labels, self._labels = self._labels or read_labels(self.path), None
        records = {
            image["id"]: {
                "file_name": str(_image_file(self.root, image["file_name"])),
                "image_id": image["id"],
                "height": int(image["height"]),
                "width": int(image["width"]),
                "annotations": [],
            }
            for image in labels["images"]
        }
        for annotation in labels["annotations"]:
            records[annotation["image_id"]]["annotations"].append(self._annotation(annotation))
        return [records[image_id] for image_id in sorted(records)]

    def _annotation(self, annotation: dict) -> dict:
        kept = {k: annotation[k] for k in ("segmentation", "score", "iscrowd") if k in annotation}
        return kept | {
            "bbox": annotation["bbox"],
            "bbox_mode": BoxMode.XYWH_ABS,
            "category_id": self.contiguous[annotation["category_id"]],
        }


def _image_file(root: Path, name: str) -> Path:
    """Where an image is: a name from Windows has backslashes between folders."""
    path = root / name
    if "\\" in name and not path.is_file():
        return root / name.replace("\\", "/")
    return path


def _image_root(path: Path, labels: dict, override: str) -> Path:
    """Where the images are: TRAINING.IMAGE_ROOT, the file's provenance, or the file's folder."""
    names = [image["file_name"] for image in labels["images"]]
    info = labels["info"] if isinstance(labels["info"], dict) else {}
    provenance = info.get("provenance")
    source = provenance.get("source") if isinstance(provenance, dict) else None
    known = source.get("root") if isinstance(source, dict) else None
    known = known if isinstance(known, str) else None
    candidates = [override] if override else [known, str(path.parent)]
    for root in filter(None, candidates):
        root = local_path(root)
        if _image_file(root, names[0]).is_file():
            return root
    tried = ", ".join(str(root) for root in candidates if root)
    raise ConfigError(
        "TRAINING.IMAGE_ROOT",
        f"the images of {path}, such as {names[0]}, are not in {tried}; set it to their folder",
    )
