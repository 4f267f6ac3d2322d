"""The steps of a row: its labels, its training, its evaluation."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from ...data.registration import annotation_path
from ...data.splits import split_name
from ...self_training.programs import Programs, resolved
from ...self_training.step import Step
from .rows import Declaration, Row


class RowSteps(NamedTuple):
    """A row's own steps; None for those that it has no need of."""

    labels: Step | None
    train: Step | None
    evaluate: Step
    predict: Step  # labels the declaration's data set with the row's model, for rows that need it


def row_steps(declaration: Declaration, programs: Programs, name: str) -> RowSteps:
    """What a row runs itself."""
    row = declaration.rows[name]
    labels = train = weights = None
    if row.labels:
        labels = _labels(declaration, programs, row)
        start = None
        if row.start:
            start = row_steps(declaration, programs, row.start).train.product
        train = programs.train(f"{name}/train", row.config, labels.product, row.opts, start)
        weights = train.product
    return RowSteps(
        labels,
        train,
        programs.evaluate(f"{name}/evaluate", row.config, row.opts, weights),
        programs.label(f"{name}/predict", row.config, declaration.dataset, row.opts, weights),
    )


def needed_steps(declaration: Declaration, programs: Programs, name: str) -> list[Step]:
    """All that a row's metrics need, in order: of the rows that it needs, no evaluations."""
    found: list[Step] = []
    closure = declaration.closure(name)
    for row in closure:
        steps = row_steps(declaration, programs, row.name)
        found += [step for step in (steps.labels, steps.train) if step is not None]
        if any(other.labels.get("of") == row.name for other in closure):
            found.append(steps.predict)
        if row.name == name:
            found.append(steps.evaluate)
    return found


def identity(declaration: Declaration, name: str) -> str:
    """A checksum of all that is declared for a row and for those that it needs, configs included:
    a kept result with another one is out of date."""
    parts = [declaration.dataset]
    for row in declaration.closure(name):
        parts += [resolved(row.config, row.opts), dict(row.labels), row.start]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _labels(declaration: Declaration, programs: Programs, row: Row) -> Step:
    rules = dict(row.labels)
    folder = f"{row.name}/labels"
    if "dataset" in rules:
        return _split(programs, folder, rules)
    source = row_steps(declaration, programs, rules.pop("of"))
    if "merge" in rules:
        merging = rules["merge"] or {}
        return programs.merge(folder, source.predict.product, source.labels.product, merging)
    return programs.select(folder, source.predict.product, rules)


def _split(programs: Programs, folder: str, rules: dict) -> Step:
    percent, seed = rules.get("percent", 100), rules.get("seed", 0)
    output = programs.folder(folder)
    words = ("--dataset", rules["dataset"], "--percent", f"{percent:g}", "--seed", str(seed))
    product = output / split_name(annotation_path(rules["dataset"]).name, percent, seed)
    command = ("splits", *words, "--output", str(output))
    return Step(folder, command, product)
