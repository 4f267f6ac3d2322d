"""One table of any number of evaluations and published results, with differences and intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.errors import ZipSegError
from ..utils.files import load_json
from ..utils.tables import latex, markdown, tex
from .bootstrap import Interval, paired_bootstrap, same_objects
from .matching import Matches
from .report import Report

PUBLISHED = Path(__file__).with_name("published.json")
_PUBLISHED_KEYS = {"name", "task", "datasets", "images", "metrics", "source"}


@dataclass(frozen=True)
class ComparedRun:
    """One run's numbers for one task.

    Attributes:
        name: of the run, or of the published method.
        source: where a published row is from; "" for a run of one's own.
        dataset, images: what it was evaluated on.
        metrics: name -> percent, NaN where there was nothing to measure.
        difference: the same less the first run's; empty for the first run and published rows.
    """

    name: str
    source: str
    dataset: str
    images: int
    metrics: Mapping[str, float]
    difference: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """All rows for one task, own runs first.

    Attributes:
        task: such as "segm" or "bbox_open_vocabulary".
        metrics: names of the columns.
        rows: the lines.
        intervals: run -> metric -> interval of its difference from the first run.
        missing: run -> why it has no interval.
    """

    task: str
    metrics: tuple[str, ...]
    rows: tuple[ComparedRun, ...]
    intervals: Mapping[str, Mapping[str, Interval]]
    missing: Mapping[str, str]


def load_published(path: str | Path = PUBLISHED) -> list[dict[str, Any]]:
    """Published rows: a JSON list of objects with the keys of ``published.json``.

    Raises:
        ZipSegError: naming ``path`` and the row, if a key is missing.
    """
    rows = load_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ZipSegError(f"{path}: not a list of objects, one a published row")
    for number, row in enumerate(rows):
        if missing := _PUBLISHED_KEYS - set(row):
            raise ZipSegError(f"{path}: row {number} lacks {sorted(missing)}")
    return rows


def compare(
    runs: Sequence[Report],
    published: Sequence[Mapping[str, Any]] = (),
    *,
    samples: int = 1000,
    seed: int = 0,
) -> list[Comparison]:
    """Put runs side by side, each against the first.

    Args:
        runs: at least one; their names must differ.
        published: as ``load_published`` reads it; rows of other tasks and data sets are left out.
        samples: resamples of the images for the intervals; 0 for none.

    Returns:
        one comparison for each task that any run has, in the order of the runs.

    Raises:
        ZipSegError: if two runs have the same name.
    """
    names = [run.name for run in runs]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ZipSegError(f"two runs are called {sorted(doubled)}: write NAME=PATH to name them")
    tasks = dict.fromkeys(task for run in runs for task in run.results)
    return [_compare_task(task, runs, published, samples, seed) for task in tasks]


def _compare_task(
    task: str,
    runs: Sequence[Report],
    published: Sequence[Mapping[str, Any]],
    samples: int,
    seed: int,
) -> Comparison:
    runs = [run for run in runs if task in run.results]
    first = runs[0]
    base, values = first.matches(task), first.results[task]
    rows, intervals, missing = [], {}, {}
    for run in runs:
        metrics, matches = run.results[task], run.matches(task)
        same = _same(first, run, base, matches)
        difference = {
            k: v - values[k]
            for k, v in metrics.items()
            if same and run is not first and k in values
        }
        rows.append(ComparedRun(run.name, "", run.dataset, run.images, metrics, difference))
        if run is first or not samples:
            continue
        if not same:
            missing[run.name] = f"not on the same images and annotations as {first.name}"
        elif base is None or matches is None:
            lacking = first.name if base is None else run.name
            missing[run.name] = f"{lacking} kept no matches; evaluate it again"
        else:
            groups = {"": base.names, **first.groups.get(task, {})}
            bounds = paired_bootstrap(base, matches, groups, samples=samples, seed=seed)
            intervals[run.name] = {k: v for k, v in bounds.items() if k in metrics}
    datasets = {run.dataset for run in runs}
    for row in published:
        if row["task"] == task and (common := datasets & set(row["datasets"])):
            dataset = sorted(common)[0]
            rows.append(
                ComparedRun(row["name"], row["source"], dataset, row["images"], row["metrics"], {})
            )
    columns = dict.fromkeys(metric for row in rows for metric in row.metrics)
    return Comparison(task, tuple(columns), tuple(rows), intervals, missing)


def _same(first: Report, run: Report, ours: Matches | None, theirs: Matches | None) -> bool:
    """Whether two runs can be subtracted: by the objects they were matched with where both kept
    these, else by the name of the data set and the number of images."""
    if ours is not None and theirs is not None:
        return same_objects(ours, theirs)
    return (run.dataset, run.images) == (first.dataset, first.images)


def to_markdown(comparisons: Sequence[Comparison]) -> str:
    """Tables in Markdown; published rows are marked and their sources listed below."""
    parts = []
    for comparison in comparisons:
        lines, notes = [], []
        for row in comparison.rows:
            name = f"*{row.name}* (published)" if row.source else row.name
            if row.source:
                notes.append(f"- published, {row.name}: {row.source}")
            cells = [_cell(row, metric) for metric in comparison.metrics]
            lines.append([name, row.dataset, row.images, *cells])
        table = markdown(["", "data set", "images", *comparison.metrics], lines)
        notes += _interval_notes(comparison, "- ")
        parts.append("\n".join([f"### {comparison.task}\n", table, *notes]).rstrip("\n"))
    return "\n\n".join(parts) + "\n"


def to_latex(comparisons: Sequence[Comparison]) -> str:
    """Tables in LaTeX (package booktabs), published rows in italics with a dagger."""
    parts = []
    for comparison in comparisons:
        lines, notes = [], []
        for row in comparison.rows:
            name = f"\\textit{{{tex(row.name)}}}$^\\dagger$" if row.source else tex(row.name)
            if row.source:
                notes.append(f"% published, {row.name}: {row.source}")
            cells = [tex(_cell(row, metric)) for metric in comparison.metrics]
            lines.append([name, str(row.images), *cells])
        table = latex([comparison.task, "images", *comparison.metrics], lines)
        parts.append("\n".join([table, *notes, *_interval_notes(comparison, "% ")]))
    return "\n\n".join(parts) + "\n"


def to_json(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The same as plain values; NaN becomes None."""
    return [
        {
            "task": comparison.task,
            "rows": [
                {
                    "name": row.name,
                    "published": bool(row.source),
                    "source": row.source,
                    "dataset": row.dataset,
                    "images": row.images,
                    "metrics": _plain(row.metrics),
                    "difference": _plain(row.difference),
                }
                for row in comparison.rows
            ],
            "intervals": {
                run: {metric: interval._asdict() for metric, interval in bounds.items()}
                for run, bounds in comparison.intervals.items()
            },
            "without_interval": dict(comparison.missing),
        }
        for comparison in comparisons
    ]


def _interval_notes(comparison: Comparison, lead: str) -> list[str]:
    first = comparison.rows[0]
    return [
        f"{lead}{run} less {first.name}, {metric}: {_signed(i.difference, 2)}, 95 % interval "
        f"{_signed(i.low, 2)} to {_signed(i.high, 2)} over resamples of {first.images} images, "
        f"better in {i.better:.0%} of them"
        for run, bounds in comparison.intervals.items()
        for metric, i in bounds.items()
        if i.low or i.high or i.difference  # nothing to tell where neither run finds anything
    ] + [
        f"{lead}{run} less {first.name}: no interval, {why}"
        for run, why in comparison.missing.items()
    ]


def _cell(row: ComparedRun, metric: str) -> str:
    value = row.metrics.get(metric, math.nan)
    if math.isnan(value):
        return "n/a"
    change = row.difference.get(metric, math.nan)
    return f"{value:.1f}" + ("" if math.isnan(change) else f" ({_signed(change, 1)})")


def _signed(value: float, digits: int) -> str:
    """With its sign, and zero as "0.0" from either side."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def _plain(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in metrics.items()}
