"""How fast evaluation is, beside pycocotools and faster-coco-eval on the same detections."""

from __future__ import annotations

import contextlib
import copy
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from faster_coco_eval import COCO as FastCOCO
from faster_coco_eval import COCOeval_faster
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zipseg.data.coco_format import results_from, truth_from
from zipseg.evaluation.protocols import evaluate

_WIDTH, _HEIGHT, _CATEGORIES, _OBJECTS = 640, 480, 80, 7
_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl")


def evaluation_benchmark(
    images: int = 5000, detections: int = 100, iou_type: str = "bbox", seed: int = 0
) -> dict[str, Any]:
    """Evaluate the same synthetic detections with each evaluator, from dicts to COCO's numbers.

    Args:
        images: how many, with 7 objects each (COCO's average) of 80 categories.
        detections: of each image, jittered copies of its objects, four in ten misnamed.
        iou_type: "bbox" or "segm".

    Returns:
        "seconds" and "cpu_seconds" of each evaluator; of the latter, which a busy machine does not
        disturb, "speedup" over pycocotools and "speedup_over_faster_coco_eval"; and
        "max_difference" of AP, AP50, AP75, APs, APm, APl in percent.
    """
    dataset, results = synthetic_detections(images, detections, iou_type, seed)
    evaluators: dict[str, Callable[[dict, list[dict], str], list[float]]] = {
        "zipseg": _ours,
        "faster_coco_eval": _faster_coco_eval,
        "pycocotools": _pycocotools,
    }
    seconds, cpu_seconds, values = {}, {}, {}
    for name, run in evaluators.items():
        # The libraries write into what they are given.
        inputs = copy.deepcopy(dataset), copy.deepcopy(results)
        start, cpu_start = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            values[name] = run(*inputs, iou_type)
        seconds[name] = time.perf_counter() - start
        cpu_seconds[name] = time.process_time() - cpu_start
    ours = cpu_seconds["zipseg"]
    return {
        "images": images,
        "detections": len(results),
        "iou_type": iou_type,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "speedup": cpu_seconds["pycocotools"] / ours,
        "speedup_over_faster_coco_eval": cpu_seconds["faster_coco_eval"] / ours,
        "max_difference": float(np.ptp(np.array(list(values.values())), axis=0).max()),
    }


def synthetic_detections(
    images: int, detections: int, iou_type: str, seed: int = 0
) -> tuple[dict, list[dict]]:
    """COCO-format annotations, and results that are more or less right.

    Results carry boxes, or for "segm" diamond-shaped masks alone.
    """
    rng = np.random.default_rng(seed)
    count = images * _OBJECTS
    size = np.exp(rng.normal(4, 0.8, (count, 2))).clip(6, 400)
    box = np.c_[rng.random((count, 2)) * ((_WIDTH, _HEIGHT) - size).clip(1), size]
    category = rng.integers(1, _CATEGORIES + 1, count)
    annotations = [
        {
            "id": n + 1,
            "image_id": n // _OBJECTS + 1,
            "category_id": int(category[n]),
            "bbox": box[n].tolist(),
            "area": float(size[n].prod()) / (2 if iou_type == "segm" else 1),
            "iscrowd": 0,
            "segmentation": [_diamond(box[n])],
        }
        for n in range(count)
    ]
    image = np.repeat(np.arange(images), detections)
    copied = image * _OBJECTS + rng.integers(0, _OBJECTS, len(image))
    jittered = box[copied] * np.exp(rng.normal(0, 0.15, (len(image), 4)))
    wrong = rng.integers(1, _CATEGORIES + 1, len(image))
    named = np.where(rng.random(len(image)) < 0.6, category[copied], wrong)
    columns = (image + 1).tolist(), named.tolist(), rng.random(len(image)).tolist()
    results = [
        {"image_id": i, "category_id": c, "score": s, **_shape(b, iou_type)}
        for i, c, s, b in zip(*columns, jittered, strict=True)
    ]
    dataset = {
        "images": [{"id": i + 1, "width": _WIDTH, "height": _HEIGHT} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": str(i)} for i in range(_CATEGORIES)],
    }
    return dataset, results


def _shape(box: np.ndarray, iou_type: str) -> dict[str, Any]:
    if iou_type == "bbox":
        return {"bbox": box.tolist()}
    return {"segmentation": mask_utils.frPyObjects([_diamond(box)], _HEIGHT, _WIDTH)[0]}


def _diamond(box: np.ndarray) -> list[float]:
    x, y, w, h = box.tolist()
    return [x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2]


def _ours(dataset: dict, results: list[dict], iou_type: str) -> list[float]:
    truth = truth_from(dataset)
    metrics = evaluate("coco", truth, results_from(results, truth), iou_type).metrics
    return [metrics[name] for name in _NAMES]


def _pycocotools(dataset: dict, results: list[dict], iou_type: str) -> list[float]:
    truth = COCO()
    truth.dataset = dataset
    truth.createIndex()
    return _summarised(COCOeval(truth, truth.loadRes(results), iou_type))


def _faster_coco_eval(dataset: dict, results: list[dict], iou_type: str) -> list[float]:
    truth = FastCOCO(dataset)
    return _summarised(COCOeval_faster(truth, truth.loadRes(results), iou_type))


def _summarised(evaluation: Any) -> list[float]:
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) * 100 for value in evaluation.stats[: len(_NAMES)]]
