"""Records to training inputs whose instances carry the scores of their labels."""

import copy

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import DatasetMapper
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import Instances
from detectron2.utils.env import seed_all_rng

from .images import check_size, read_image


class LabelMapper(DatasetMapper):
    """Detectron2's mapper with ``gt_scores``, vertical flips and a seed of each sample's own.

    Crowds are left out as there, except for annotations with ``ignore``: when the config has a band
    of ignored scores, all instances have ``gt_ignore``. A record's ``seed``, if it has one, decides
    its augmentations.
    """

    @configurable
    def __init__(self, is_train: bool, *, has_ignored: bool, max_pixels: int, **kwargs) -> None:
        super().__init__(is_train, **kwargs)
        self.has_ignored, self.max_pixels = has_ignored, max_pixels

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict:
        arguments = super().from_config(cfg, is_train)
        if is_train and cfg.TRAINING.VERTICAL_FLIP:
            arguments["augmentations"].append(T.RandomFlip(horizontal=False, vertical=True))
        return arguments | {
            "has_ignored": cfg.TRAINING.IGNORE_BAND.HIGH > 0,
            "max_pixels": cfg.INPUT.MAX_PIXELS,
        }

    def __call__(self, dataset_dict: dict) -> dict:
        """``image`` uint8 [3, h, w] and ``instances`` besides what the record has.

        Raises:
            ImageError: the image cannot be read or has another size than its record.
        """
        record = {k: v for k, v in dataset_dict.items() if k not in ("annotations", "seed")}
        if "seed" in dataset_dict:
            seed_all_rng(dataset_dict["seed"])
        image = read_image(record["file_name"], self.image_format, self.max_pixels)
        check_size(record, image)
        view = T.AugInput(image)
        transforms = self.augmentations(view)
        record["image"] = torch.from_numpy(np.ascontiguousarray(view.image.transpose(2, 0, 1)))
        record["instances"] = self._instances(
            dataset_dict["annotations"], transforms, view.image.shape[:2]
        )
        return record

    def _instances(
        self, annotations: list[dict], transforms: T.TransformList, size: tuple[int, int]
    ) -> Instances:
        used = [a for a in annotations if not a.get("iscrowd", 0) or a.get("ignore", False)]
        dropped = () if self.use_instance_mask else ("segmentation",)
        moved = [
            utils.transform_instance_annotations(
                {k: copy.copy(v) for k, v in annotation.items() if k not in dropped},
                transforms,
                size,
            )
            for annotation in used
        ]
        instances = utils.annotations_to_instances(moved, size, self.instance_mask_format)
        instances.gt_scores = torch.tensor([float(a.get("score", 1.0)) for a in used])
        if self.has_ignored:
            ignored = [bool(a.get("ignore", False)) for a in used]
            instances.gt_ignore = torch.tensor(ignored, dtype=torch.bool)
        if self.recompute_boxes and instances.has("gt_masks"):
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()
        return utils.filter_empty_instances(instances)
