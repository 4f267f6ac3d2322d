"""The records to train on: what cannot be learned from goes, and the log says how much."""

import logging
from collections import Counter

from detectron2.config import CfgNode
from detectron2.data.build import (
    filter_images_with_only_crowd_annotations,
    get_detection_dataset_dicts,
)
from detectron2.structures import BoxMode
from pycocotools import mask as mask_util

from ..utils.errors import ConfigError

logger = logging.getLogger(__name__)

_MIN_SIDE = 1e-3  # pixels; boxes with a shorter side have no area to learn from


def training_records(cfg: CfgNode) -> list[dict]:
    """Detectron2's records of DATASETS.TRAIN, fit for the config.

    Annotations without a usable box or, for MASK_ON, mask are left out, and so are those with a
    score below TRAINING.IGNORE_BAND.LOW. Those within the band get ``ignore`` and count as crowds,
    which make no image worth training on (DATALOADER.FILTER_EMPTY_ANNOTATIONS).

    Raises:
        ConfigError: nothing is left, a score is not in 0 .. 1, or INPUT.MASK_FORMAT does not fit.
    """
    records = get_detection_dataset_dicts(list(cfg.DATASETS.TRAIN), filter_empty=False)
    left_out: Counter = Counter()
    records = [
        record
        | {
            "annotations": [
                _prepared(annotation, cfg)
                for annotation in record.get("annotations", ())
                if _is_usable(annotation, cfg, left_out)
            ]
        }
        for record in records
    ]
    crowds = sum(
        not _is_object(a) and not a.get("ignore") for r in records for a in r["annotations"]
    )
    if crowds:
        left_out["marked as crowds (iscrowd 1)"] = crowds
    for reason, count in left_out.items():
        logger.warning("%d labels are not trained on: %s", count, reason)
    if cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS:
        records = filter_images_with_only_crowd_annotations(records)
    if not any(_is_object(a) for record in records for a in record["annotations"]):
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ConfigError(
            "DATASETS.TRAIN",
            f"{', '.join(cfg.DATASETS.TRAIN)}: no label to train on ({reasons or 'none at all'})",
        )
    return records


def _prepared(annotation: dict, cfg: CfgNode) -> dict:
    has_rle = isinstance(annotation.get("segmentation"), dict) and _is_object(annotation)
    if cfg.MODEL.MASK_ON and has_rle and cfg.INPUT.MASK_FORMAT != "bitmask":
        raise ConfigError(
            "INPUT.MASK_FORMAT",
            f"is '{cfg.INPUT.MASK_FORMAT}', but the labels' masks are RLE; set it to 'bitmask'",
        )
    score = annotation.get("score", 1.0)
    if not 0 <= score <= 1:
        raise ConfigError("DATASETS.TRAIN", f"holds a label with a score of {score}, not in 0 .. 1")
    changes = {}
    if cfg.TRAINING.CLASS_AGNOSTIC:
        changes["category_id"] = 0
    if score < cfg.TRAINING.IGNORE_BAND.HIGH:
        changes |= {"ignore": True, "iscrowd": 1}
    return {**annotation, **changes}


def _is_object(annotation: dict) -> bool:
    return not annotation.get("iscrowd", 0)


def _is_usable(annotation: dict, cfg: CfgNode, left_out: Counter) -> bool:
    if not _is_object(annotation):
        return True
    reason = None
    if annotation.get("score", 1.0) < cfg.TRAINING.IGNORE_BAND.LOW:
        reason = "with a score below TRAINING.IGNORE_BAND.LOW"
    elif min(_sides(annotation)) < _MIN_SIDE:
        reason = "with a box without area"
    elif cfg.MODEL.MASK_ON and not annotation.get("segmentation"):
        reason = "without a mask"
    elif cfg.MODEL.MASK_ON and isinstance(annotation["segmentation"], dict):
        counts = annotation["segmentation"]["counts"]
        if not isinstance(counts, list) and not mask_util.area(annotation["segmentation"]):
            reason = "with an empty mask"
    if reason:
        left_out[reason] += 1
    return reason is None


def _sides(annotation: dict) -> list[float]:
    """Width and height of the box, pixels."""
    box = list(map(float, annotation["bbox"]))
    return BoxMode.convert(box, annotation["bbox_mode"], BoxMode.XYWH_ABS)[2:]
