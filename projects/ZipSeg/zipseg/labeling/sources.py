"""What to label: a registered data set or photographs, and the vocabulary."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from ..data.images import find_images
from ..data.names import read_names
from ..data.vocabulary import metadata_of
from ..utils.errors import CannotWrite
from .errors import LabelingError


class Source(NamedTuple):
    """Images to label and the target vocabulary."""

    name: str  # "data set X", "folder Y" or "images below Y"
    metadata: str  # the Detectron2 data set whose metadata hold the vocabulary
    root: str  # what the file names are relative to
    categories: list[dict]  # COCO's, in the order of the model's classes
    images: tuple[str, ...] = ()  # for photographs: the files, folders and globs


def images_source(images: Sequence[str], names: str | Path) -> Source:
    """Photographs and a file of names (or names and commas).

    Args:
        images: files, folders with their subfolders, and globs.

    Raises:
        NamesError: the names cannot be used.
        ImageError: there is no such file or folder.
    """
    classes = list(read_names(str(names)))
    folders = [Path(word).expanduser().resolve() for word in images]
    if len(folders) == 1 and folders[0].is_dir():
        name, root = "folder", folders[0]
    else:
        name, root = "images below", Path(os.path.commonpath(map(_parent, find_images(images))))
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, 1)]
    return Source(f"{name} {root}", metadata_of(classes), str(root), categories, tuple(images))


def _parent(path: Path) -> str:
    return os.path.abspath(path.parent)


def dataset_source(name: str) -> Source:
    """A data set of Detectron2's catalogue, with its own category ids.

    Raises:
        LabelingError: it is not registered, has no vocabulary, or its files are missing.
    """
    if name not in DatasetCatalog:
        raise LabelingError(
            f"--dataset {name}: not registered; for plain images give them and --names"
        )
    metadata = MetadataCatalog.get(name)
    if not metadata.get("thing_classes"):
        _dicts(name)  # some data sets fill their metadata when they are loaded
    classes = metadata.get("thing_classes")
    if not classes:
        raise LabelingError(f"--dataset {name}: its metadata have no thing_classes")
    contiguous = metadata.get("thing_dataset_id_to_contiguous_id")
    contiguous = contiguous or {i + 1: i for i in range(len(classes))}
    ids = {v: k for k, v in contiguous.items()}
    if not ids.keys() >= set(range(len(classes))):
        raise LabelingError(
            f"--dataset {name}: thing_dataset_id_to_contiguous_id lacks some of thing_classes"
        )
    categories = [{"id": ids[i], "name": x} for i, x in enumerate(classes)]
    root = os.path.abspath(metadata.get("image_root") or ".")
    return Source(f"data set {name}", name, root, categories)


def use_vocabulary(cfg: CfgNode, source: Source) -> None:
    """Makes the source the config's first test data set, where open-vocabulary models look."""
    cfg.DATASETS.TEST = (source.metadata,)


def list_source(source: Source) -> Iterator[dict]:
    """COCO image records (``id``, ``file_name``) in the order of the ids.

    A data set keeps its ids if they are distinct whole numbers; otherwise, and for photographs,
    the images are numbered from 1 in the order of their file names.

    Raises:
        LabelingError: the data set cannot be loaded or is empty.
        ImageError: the folder holds no images.
    """
    if source.images:
        found = sorted({os.path.abspath(path) for path in find_images(source.images)})
        names = [_relative(path, source.root) for path in found]
        ids = list(range(1, len(names) + 1))
    else:
        found = [(x.get("image_id"), x.get("file_name")) for x in _dicts(source.metadata)]
        if not found:
            raise LabelingError(f"{source.name}: holds no images")
        if not all(isinstance(name, str | os.PathLike) for _, name in found):
            raise LabelingError(f"{source.name}: an image without a file_name")
        found = [(i, os.fspath(name)) for i, name in found]
        if any(type(i) is not int for i, _ in found) or len({i for i, _ in found}) < len(found):
            found = list(enumerate(sorted(name for _, name in found), 1))
        ids, names = zip(*sorted(found), strict=True)
        names = [_relative(name, source.root) for name in names]
    for image_id, name in zip(ids, names, strict=True):
        yield {"id": image_id, "file_name": name}


def _dicts(name: str) -> list[dict]:
    try:
        return DatasetCatalog.get(name)
    except Exception as error:  # whatever a data set's loader raises for missing or broken files
        raise LabelingError(
            f"--dataset {name}: cannot be loaded ({type(error).__name__}: {error}); "
            "is DETECTRON2_DATASETS set?"
        ) from error


def _relative(name: str, root: str) -> str:
    path = os.path.abspath(name)
    return os.path.relpath(path, root) if path.startswith(root + os.sep) else path


class Manifest:
    """A run's images in a file of one JSON line each, read one at a time."""

    def __init__(self, path: Path, root: str) -> None:
        self._file, self._root = path.open("rb"), Path(root)
        lengths = np.fromiter((len(line) for line in self._file), np.int64)
        self._offsets = np.cumsum(lengths) - lengths

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> dict:
        """The image's COCO record, ``id`` and ``file_name``."""
        line = os.pread(self._file.fileno(), _LINE, self._offsets[index])
        # The run's own manifest, not a COCO file.
        return json.loads(line[: line.index(b"\n")])

    def path(self, index: int) -> Path:
        """Where the image's file is."""
        return self._root / self[index]["file_name"]


_LINE = 65536  # bytes; paths are at most 4096 characters of at most 6 escaped bytes


def write_manifest(path: Path, images: Iterator[dict]) -> dict:
    """Writes the file of ``Manifest``; returns its count and checksum for the provenance."""
    digest, count = hashlib.sha256(), 0
    try:
        with path.open("wb") as file:
            for image in images:
                line = json.dumps(image).encode() + b"\n"
                file.write(line)
                digest.update(line)
                count += 1
    except OSError as error:
        raise CannotWrite(path, error) from error
    return {"count": count, "sha256": digest.hexdigest()}
