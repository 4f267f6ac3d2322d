"""The files that an evaluation leaves behind, and reading them again.

``evaluation.json`` holds every number; ``matches_*.npz`` what a bootstrap over images needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.errors import ZipSegError
from ..utils.files import load_json, load_npz, write_json, write_npz
from .matching import Matches
from .protocols import Evaluation

REPORT_NAME = "evaluation.json"
PREDICTIONS_NAME = "coco_instances_results.json"
_FORMAT = "zipseg-evaluation-1"


@dataclass(frozen=True)
class Report:
    """One run's evaluation as read from its files.

    Attributes:
        name: what to call the run.
        folder: where its files are.
        dataset: name of the data set.
        images: how many images were evaluated.
        results: task (such as "segm" or "bbox_class_agnostic") -> metric -> percent or NaN.
        groups: task -> ending of a metric's name -> the categories that it averages over.
    """

    name: str
    folder: Path
    dataset: str
    images: int
    results: Mapping[str, Mapping[str, float]]
    groups: Mapping[str, Mapping[str, tuple[str, ...]]]

    def matches(self, task: str) -> Matches | None:
        """What a bootstrap of ``task`` needs; None if it was not written."""
        path = self.folder / _matches_name(task)
        return load_matches(path) if path.exists() else None


def task_name(iou_type: str, protocol: str) -> str:
    """The key of a protocol's results: Detectron2's own ("bbox", "segm") for COCO's protocol."""
    return iou_type if protocol == "coco" else f"{iou_type}_{protocol}"


def write_report(
    folder: str | Path,
    evaluations: Mapping[str, Evaluation],
    *,
    dataset: str,
    annotations: str,
    images: int,
) -> None:
    """Write ``evaluation.json`` and the matches of ``evaluations`` (task -> outcome)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for task, evaluation in evaluations.items():
        save_matches(folder / _matches_name(task), evaluation.matches)
    content = {
        "format": _FORMAT,
        "dataset": dataset,
        "annotations": annotations,
        "images": images,
        "results": {t: _without_nan(e.metrics) for t, e in evaluations.items()},
        "per_category_AP": {t: _without_nan(e.per_category) for t, e in evaluations.items()},
        "groups": {t: dict(e.groups) for t, e in evaluations.items()},
    }
    write_json(folder / REPORT_NAME, content)


def read_report(path: str | Path, name: str | None = None) -> Report:
    """Read a run: its ``evaluation.json``, or a folder with exactly one in or below it.

    Raises:
        ZipSegError: naming ``path``, if there is no such file or it is of another kind.
    """
    path = Path(path)
    if path.is_dir():
        inside = [path / REPORT_NAME] if (path / REPORT_NAME).exists() else None
        inside = inside or sorted(path.rglob(REPORT_NAME))
        if len(inside) != 1:
            what = "no" if not inside else f"{len(inside)} files"
            raise ZipSegError(f"{path}: {what} {REPORT_NAME} below it; name the one that is meant")
        name, path = name or path.name, inside[0]
    if not path.is_file():
        raise ZipSegError(f"{path}: no such file; expected an {REPORT_NAME}")
    content = load_json(path)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ZipSegError(f"{path} is not an {REPORT_NAME} of format {_FORMAT}")
    try:
        return Report(
            name or path.parent.name,
            path.parent,
            str(content["dataset"]),
            int(content["images"]),
            {task: _with_nan(metrics) for task, metrics in content["results"].items()},
            {
                task: {ending: tuple(names) for ending, names in groups.items()}
                for task, groups in content["groups"].items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ZipSegError(
            f"{path}: damaged or changed ({error!r}); evaluate again to write it anew"
        ) from error


def save_matches(path: Path, matches: Matches) -> None:
    """Write the matches for all object sizes together (smaller ones are for the tables only)."""
    arrays = {
        "image_ids": matches.image_ids,
        "names": np.array(matches.names),
        "image": matches.image,
        "category": matches.category,
        "rank": matches.rank,
        "score": matches.score,
        "hit": np.packbits(matches.hit[0], axis=-1),
        "ignored": np.packbits(matches.ignored[0], axis=-1),
        "truth_image": matches.truth_image,
        "truth_category": matches.truth_category,
        "truth_ignored": matches.truth_ignored[0],
        "ap_cap": np.array(matches.ap_cap),
    }
    write_npz(path, arrays)


def load_matches(path: Path) -> Matches:
    """Read what ``save_matches`` wrote (A = 1: all sizes).

    Raises:
        ZipSegError: naming ``path``, if it is damaged or of another kind.
    """
    columns = load_npz(path)
    try:
        count = len(columns["image"])
        for key in ("hit", "ignored"):
            columns[key] = np.unpackbits(columns[key], axis=-1, count=count).astype(bool)[None]
        columns["truth_ignored"] = columns["truth_ignored"][None]
        matches = Matches(**columns)
        names = tuple(matches.names.tolist())
        return replace(matches, names=names, ap_cap=int(matches.ap_cap))
    except (ValueError, KeyError, TypeError) as error:
        raise ZipSegError(f"{path} is not a file of matches: {error}") from error


def _matches_name(task: str) -> str:
    return f"matches_{task}.npz"


def _without_nan(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in metrics.items()}


def _with_nan(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {key: math.nan if value is None else float(value) for key, value in metrics.items()}
