"""The files behind Detectron2's registered data sets."""

from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog

from ..utils.errors import ConfigError


def annotation_path(name: str) -> Path:
    """Where a registered data set's COCO- or LVIS-format file is or will be.

    Raises:
        ConfigError: it is not registered, or not by a file.
    """
    if name not in DatasetCatalog.list():
        raise ConfigError("--dataset", f"'{name}' is not registered; name the file itself")
    file = MetadataCatalog.get(name).get("json_file")
    if not file:
        raise ConfigError("--dataset", f"'{name}' is not of a file; name a file")
    return Path(file)


def annotation_file(name: str) -> Path:
    """The same, made if need be: some data sets write their file when they are first loaded."""
    path = annotation_path(name)
    if not path.is_file():
        DatasetCatalog.get(name)
    return path
