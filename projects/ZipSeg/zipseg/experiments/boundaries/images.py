"""The images and objects of a COCO-format data set, and reproducible samples of them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from torch import Tensor

from ...data.coco_format import GroundTruth, read_truth
from ...data.images import read_image
from ...utils.errors import ZipSegError


class ProbeImages(NamedTuple):
    """A data set: where its images are and what they show."""

    name: str
    truth: GroundTruth
    file: dict[int, Path]  # of each image id

    def read(self, image_id: int) -> Tensor:
        """RGB, uint8 [3, H, W]; raises ImageError."""
        rgb = read_image(self.file[image_id], "RGB")
        return torch.from_numpy(rgb.transpose(2, 0, 1).copy())

    def sample(self, count: int, seed: int, without: tuple[int, ...] = ()) -> tuple[int, ...]:
        """At most ``count`` ids of images with objects, in an order that the seed decides.

        Raises:
            ZipSegError: there is none.
        """
        objects = self.truth.image[~self.truth.crowd]
        ids = np.setdiff1d(objects, without)
        if not len(ids):
            raise ZipSegError(f"{self.name}: no image with objects is left to probe")
        chosen = np.random.default_rng(seed).permutation(ids)[:count]
        return tuple(chosen.tolist())


def from_files(json_file: str | Path, folder: str | Path, name: str | None = None) -> ProbeImages:
    """A data set from its annotations and the folder its ``file_name`` s are relative to.

    Raises:
        ZipSegError: annotations that cannot be read or are not in COCO's format.
    """
    truth = read_truth(json_file)
    names = zip(truth.image_ids.tolist(), truth.file_names, strict=True)
    file = {identity: Path(folder) / name for identity, name in names}
    return ProbeImages(name or str(json_file), truth, file)


def from_registered(name: str) -> ProbeImages:
    """A data set that Detectron2 knows by ``name``.

    Raises:
        ZipSegError: it is not registered, or has no COCO-format file.
    """
    if name not in DatasetCatalog.list():
        raise ZipSegError(f"{name}: no such data set; give --json and --images instead")
    DatasetCatalog.get(name)  # renders ZipWorld where it is not there yet
    metadata = MetadataCatalog.get(name)
    if not metadata.get("json_file"):
        raise ZipSegError(f"{name}: this data set has no COCO-format annotation file")
    return from_files(metadata.json_file, metadata.image_root, name)
