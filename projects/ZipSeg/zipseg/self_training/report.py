"""``rounds.json`` and ``rounds.md``: what every finished round has come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..data.coco_format import read_annotations
from ..utils.files import write_atomically, write_json
from ..utils.tables import markdown
from .rounds import Round
from .runner import Pipeline
from .step import Step

_COLUMNS = ("AP", "AP50", "AP75")


def record_rounds(pipeline: Pipeline, rounds: Sequence[Round]) -> dict:
    """Writes both files into the pipeline's folder, from the records of its finished steps.

    Returns:
        ``rounds``: for each round that is evaluated its ``metrics`` (data set -> task -> metric ->
        percent), the ``labels`` it was trained on and, below ``commands``, what was run.
    """
    done = [each for each in rounds if pipeline.record(each.evaluate) is not None]
    content = {"rounds": [_row(pipeline, each) for each in done]}
    output = pipeline.programs.output
    write_json(output / "rounds.json", content)
    write_atomically(output / "rounds.md", to_markdown(content).encode())
    return content


def to_markdown(content: dict) -> str:
    """A table of the rounds for each data set: AP of masks and boxes, percent."""
    datasets = sorted({name for row in content["rounds"] for name in row["metrics"]})
    return "\n".join(_table(content["rounds"], name) for name in datasets)


def _table(rows: Sequence[dict], dataset: str) -> str:
    tasks = sorted({task for row in rows for task in row["metrics"].get(dataset, {})}, reverse=True)
    columns = [(task, metric) for task in tasks for metric in _COLUMNS]
    lines = []
    for row in rows:
        found = row["metrics"].get(dataset, {})
        values = [found.get(task, {}).get(metric) for task, metric in columns]
        labels = "" if row["labels"] is None else f"{row['labels']['count']:,}"
        cells = ["" if value is None else f"{value:.1f}" for value in values]
        lines.append([row["round"] or "0 (training-free)", labels, *cells])
    head = ["round", "labels", *(" ".join(column) for column in columns)]
    return f"{dataset}\n\n" + markdown(head, lines, numbers_from=1)


def _row(pipeline: Pipeline, each: Round) -> dict:
    return {
        "round": each.number,
        "metrics": pipeline.record(each.evaluate)["metrics"],
        "labels": _labels(each.chosen),
        "commands": {
            step.name: " ".join(record["command"])
            for step in each.steps()
            if (record := pipeline.record(step)) is not None
        },
    }


def _labels(step: Step | None) -> dict | None:
    """How many labels a round trains on, and of which generations (see ``merging.py``)."""
    path = Path() if step is None else step.product
    if not path.is_file():
        return None
    labels = read_annotations(path)
    generations = Counter(str(label.get("generation", 0)) for label in labels)
    return {"count": generations.total(), "generations": dict(sorted(generations.items()))}
