"""The files behind Detectron2's registered data sets."""

from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog

from ..errors import ConfigError
from .zipworld import EVALUATION_SPLITS, ensure_rendered, register_zipworld


def annotation_path(name: str) -> Path:
    """Where a registered data set's COCO- or LVIS-format file is or will be.

    Raises:
        ConfigError: it is not registered, or not by a file.
    """
    register_zipworld()
    if name not in DatasetCatalog.list():
        raise ConfigError("--dataset", f"'{name}' is not registered; name the file itself")
    file = MetadataCatalog.get(name).get("json_file")
    if not file:
        raise ConfigError("--dataset", f"'{name}' is not of a file; name a file")
    return Path(file)


def annotation_file(name: str) -> Path:
    """The same, with ZipWorld's rendered if need be."""
    path = annotation_path(name)
    return ensure_rendered(name) if name in EVALUATION_SPLITS else path
