"""The official evaluators, run as their authors run them."""

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

COCO_METRICS = (
    "AP", "AP50", "AP75", "APs", "APm", "APl",
    "AR@1", "AR@10", "AR@100", "ARs@100", "ARm@100", "ARl@100",
)  # fmt: skip


def pycocotools_evaluation(
    dataset: dict, results: list[dict], iou_type: str, *, class_agnostic: bool = False
) -> COCOeval:
    """Evaluated and accumulated; masks are judged by their own area, as Detectron2 does."""
    truth = COCO()
    truth.dataset = copy.deepcopy(dataset)
    results = copy.deepcopy(results)
    if iou_type == "segm":
        for result in results:
            result.pop("bbox")
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), iou_type)
        if class_agnostic:
            evaluation.params.useCats = 0
            evaluation.params.maxDets = [1, 10, 100, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def pycocotools_metrics(dataset: dict, results: list[dict], iou_type: str) -> dict[str, float]:
    """COCO's twelve numbers in percent."""
    evaluation = pycocotools_evaluation(dataset, results, iou_type)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    stats = np.where(evaluation.stats < 0, np.nan, evaluation.stats * 100)
    return dict(zip(COCO_METRICS, stats.tolist(), strict=True))


def lvis_metrics(
    dataset: dict, results: list[dict], iou_type: str, folder: Path, monkeypatch
) -> dict[str, float]:
    """The lvis package's numbers in percent; it needs numpy's old name of float."""
    from lvis import LVIS, LVISEval, LVISResults

    monkeypatch.setattr(np, "float", float, raising=False)
    path = folder / "lvis.json"
    path.write_text(json.dumps(dataset))
    results = copy.deepcopy(results)
    if iou_type == "segm":
        for result in results:
            result.pop("bbox")
    truth = LVIS(str(path))
    evaluation = LVISEval(truth, LVISResults(truth, results, max_dets=300), iou_type)
    evaluation.run()
    return {k: np.nan if v < 0 else v * 100 for k, v in evaluation.get_results().items()}


class Reference(NamedTuple):
    """A library's numbers in percent."""

    metrics: dict[str, float]
    per_category: dict[str, float]


def faster_coco_eval_metrics(
    dataset: dict, results: list[dict], iou_type: str, protocol: str
) -> Reference:
    """faster-coco-eval's numbers by the rules of a protocol: "coco" or "class_agnostic"."""
    from faster_coco_eval import COCO, COCOeval_faster

    caps = {"coco": [1, 10, 100], "class_agnostic": [1, 10, 100, 1000]}[protocol]
    results = copy.deepcopy(results)
    if iou_type == "segm":
        for result in results:
            result.pop("bbox")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(copy.deepcopy(dataset))
        evaluation = COCOeval_faster(truth, truth.loadRes(results), iou_type)
        evaluation.params.useCats = int(protocol == "coco")
        evaluation.params.maxDets = caps
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = (  # [T, R, K, A, M] and [T, K, A, M]
        np.where(evaluation.eval[key] < 0, np.nan, evaluation.eval[key]) * 100
        for key in ("precision", "recall")
    )
    precision = precision[..., 2].mean(1)
    metrics = {"AP": precision[:, :, 0], "AP50": precision[0, :, 0], "AP75": precision[5, :, 0]}
    for place, size in enumerate("sml", start=1):
        metrics[f"AP{size}"] = precision[:, :, place]
        metrics[f"AR{size}@{caps[-1]}"] = recall[:, :, place, -1]
    metrics |= {f"AR@{cap}": recall[:, :, 0, m] for m, cap in enumerate(caps)}
    names = [category["name"] for category in dataset["categories"]] if protocol == "coco" else []
    per_category = {name: _mean(precision[:, k, 0]) for k, name in enumerate(names)}
    return Reference({key: _mean(values) for key, values in metrics.items()}, per_category)


def _mean(values: np.ndarray) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))
