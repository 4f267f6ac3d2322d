"""COCO-format results: instances to records."""

from collections.abc import Sequence

import numpy as np
from detectron2.structures import BoxMode, Instances
from pycocotools import mask as mask_util


def instances_to_coco(
    instances: Instances, image_id: int | str, category_ids: Sequence[int] | None = None
) -> list[dict]:
    """COCO annotations of one image: RLE masks, XYWH boxes, areas and scores, best first.

    Args:
        instances: as a Detectron2 model returns them, masks optional.
        image_id: the image's id.
        category_ids: the data set's id of each contiguous class; None for 1, 2, ...
    """
    instances = instances.to("cpu")
    boxes = BoxMode.convert(
        instances.pred_boxes.tensor, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS
    ).tolist()
    classes = instances.pred_classes.tolist()
    records = [
        {
            "image_id": image_id,
            "category_id": index + 1 if category_ids is None else category_ids[index],
            "bbox": [round(x, 2) for x in box],
            "score": score,
            "area": box[2] * box[3],
            "iscrowd": 0,
        }
        for box, score, index in zip(boxes, instances.scores.tolist(), classes, strict=True)
    ]
    if instances.has("pred_masks") and records:
        stacked = np.asfortranarray(instances.pred_masks.numpy().transpose(1, 2, 0), dtype=np.uint8)
        rles = mask_util.encode(stacked)
        areas = stacked.sum(axis=(0, 1), dtype=np.int64).tolist()
        for record, rle, area in zip(records, rles, areas, strict=True):
            record["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode()}
            record["area"] = area
    return records
