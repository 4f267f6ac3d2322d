"""Evaluation of files of predictions, whoever made them; needs no PyTorch."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from ..data.coco_format import Detections, GroundTruth, check_masks, read_results, read_truth
from .protocols import Evaluation, evaluate
from .report import task_name, write_report

logger = logging.getLogger(__name__)


def evaluate_files(
    annotations: str | Path,
    predictions: str | Path,
    output_folder: str | Path,
    protocols: Sequence[str] = ("coco",),
    *,
    unseen: Iterable[str] = (),
) -> dict[str, Evaluation]:
    """Evaluate a file of predictions, whoever made it; writes the report.

    Args:
        predictions: a list of COCO-format results with the ids of ``annotations``, or a COCO-format
            file of labels with scores, such as ``predictions.json`` and ``labels.json``; its images
            are found by their file names and its categories by their names.

    Returns:
        task -> outcome.

    Raises:
        ZipSegError: naming the file at fault.
    """
    truth = read_truth(annotations)
    found = read_results(predictions, truth)
    evaluations = evaluate_all(truth, found, protocols, unseen=unseen)
    write_report(
        output_folder,
        evaluations,
        dataset=Path(annotations).stem,
        annotations=str(annotations),
        images=len(truth.image_ids),
    )
    return evaluations


def evaluate_all(
    truth: GroundTruth,
    found: Detections,
    protocols: Sequence[str],
    *,
    unseen: Iterable[str],
) -> Mapping[str, Evaluation]:
    """Boxes, and masks where both sides have them (or nothing was found at all)."""
    masks = truth.masks.present.any() and (found.masks is not None or not len(found.score))
    if masks and found.masks is not None:
        check_masks(found)
    evaluations = {}
    for protocol, iou_type in itertools.product(
        protocols, ("bbox", "segm") if masks else ("bbox",)
    ):
        outcome = evaluate(protocol, truth, found, iou_type, unseen=unseen)
        task = task_name(iou_type, protocol)
        evaluations[task] = outcome
        shown = {k: v for k, v in outcome.metrics.items() if not math.isnan(v)}
        logger.info("%s:\n%s", task, _table(shown or {"AP": math.nan}))
    return evaluations


def _table(values: Mapping[str, float]) -> str:
    """One row of numbers under their names."""
    rows = [[f"{value:.3f}" for value in values.values()]]
    return tabulate(rows, headers=list(values), tablefmt="pipe", disable_numparse=True)
