"""Evaluation of files of predictions, whoever made them; needs no PyTorch."""

from __future__ import annotations

import itertools
import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from tabulate import tabulate

from ..data.labels import read_labels
from ..utils.errors import ZipSegError
from ..utils.files import load_json
from .columns import Detections, GroundTruth
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
    dataset = load_json(annotations)
    truth = GroundTruth.from_coco(dataset, str(annotations))
    results = load_json(predictions)
    if isinstance(results, dict) and isinstance(results.get("annotations"), list):
        results = results_of_labels(read_labels(predictions), dataset, str(predictions))
    if not isinstance(results, list) or not all(isinstance(r, dict) for r in results):
        raise ZipSegError(
            f"{predictions} is neither a list of COCO-format results nor a COCO-format file"
        )
    found = Detections.from_results(results, truth, str(predictions))
    evaluations = evaluate_all(truth, found, protocols, unseen=unseen)
    write_report(
        output_folder,
        evaluations,
        dataset=Path(annotations).stem,
        annotations=str(annotations),
        images=len(truth.image_ids),
    )
    return evaluations


def results_of_labels(labels: dict, dataset: dict, source: str) -> list[dict]:
    """The annotations of a file of labels as results on another file's images and categories.

    Args:
        labels: as ``read_labels`` returns them.
        dataset: COCO-format; what is not in it is left out, with a warning.
        source: where the labels are from, for messages.

    Raises:
        ZipSegError: no image or no category in common, or two images of one name.
    """
    names = {c["name"]: c["id"] for c in dataset["categories"]}
    categories = {c["id"]: names.get(c["name"]) for c in labels["categories"]}
    images = same_images(labels["images"], dataset["images"], source)
    if not images or not any(identity is not None for identity in categories.values()):
        raise ZipSegError(
            f"{source}: its {'categories' if images else 'images'} are not those of the "
            "annotations; both have to call them by the same names"
        )
    unknown = [c["name"] for c in labels["categories"] if categories[c["id"]] is None]
    if unknown or len(images) < len(labels["images"]):
        logger.warning(
            "%s: left out %d images and %d categories that the annotations do not have%s",
            *(source, len(labels["images"]) - len(images), len(unknown)),
            f": {', '.join(unknown[:5])}" if unknown else "",
        )
    return [
        {**a, "image_id": images[a["image_id"]], "category_id": categories[a["category_id"]]}
        for a in labels["annotations"]
        if a["image_id"] in images and categories[a["category_id"]] is not None
    ]


def same_images(ours: list[dict], theirs: list[dict], source: str) -> dict[int, int]:
    """Our ids -> theirs, by the whole file name or else, where folders differ, its last part.

    Args:
        source: where ours are from, for messages.

    Raises:
        ZipSegError: an image of ours may be any of several of theirs.
    """
    whole = {image["file_name"]: image["id"] for image in theirs}
    last: dict[str, list[int]] = defaultdict(list)
    for image in theirs:
        last[PurePath(image["file_name"]).name].append(image["id"])
    found = {}
    for image in ours:
        same = last.get(PurePath(image["file_name"]).name, [])
        if image["file_name"] in whole:
            found[image["id"]] = whole[image["file_name"]]
        elif len(same) == 1:
            found[image["id"]] = same[0]
        elif same:
            raise ZipSegError(
                f"{source}: {image['file_name']} may be any of {len(same)} images of that name in "
                "the annotations; give both files the same folders"
            )
    return found


def evaluate_all(
    truth: GroundTruth,
    found: Detections,
    protocols: Sequence[str],
    *,
    unseen: Iterable[str],
) -> Mapping[str, Evaluation]:
    """Boxes, and masks where both sides have them (or nothing was found at all)."""
    has_masks = any(s is not None for s in truth.segmentation)
    masks = has_masks and (found.rles is not None or not len(found.score))
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
