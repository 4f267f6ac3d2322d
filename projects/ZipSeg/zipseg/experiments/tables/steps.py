"""The steps of a row: its labels, its training, and what is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ...self_training.programs import Programs, flags
from ...self_training.settings import read_settings
from ...self_training.step import Step
from ...utils.files import load_json
from .rows import Declaration, Row


class RowSteps(NamedTuple):
    """A row's own steps; None for those that it has no need of."""

    labels: Step | None
    train: Step | None
    measure: Step
    # Labels the declaration's data set with the row's model, for rows that need it.
    predict: Step | None

    @property
    def trained_on(self) -> Path | None:
        """The label file of the training."""
        if self.labels is not None:
            return self.labels.product
        folder = None if self.train is None else self.train.product.parent
        return None if folder is None else next(iter(sorted(folder.glob("*perc_*.json"))), None)


def row_steps(declaration: Declaration, programs: Programs, name: str) -> RowSteps:
    """What a row runs itself."""
    row = declaration.rows[name]
    labels = train = predict = weights = None
    opts = row.opts
    if row.labels:
        share = None
        if "dataset" in row.labels:
            share = row.labels.get("percent", 100), row.labels.get("seed", 0)
            opts = (*opts, "DATASETS.TRAIN", repr((row.labels["dataset"],)))
        else:
            labels = _labels(declaration, programs, row)
        start = None
        if row.start:
            start = row_steps(declaration, programs, row.start).train.product
        file = None if labels is None else labels.product
        train = programs.train(f"{name}/train", row.config, file, opts, start, share)
        weights = train.product
    if row.config:
        predict = programs.label(
            f"{name}/predict", row.config, declaration.dataset, row.opts, weights
        )
    return RowSteps(labels, train, _measure(declaration, programs, row, weights), predict)


def needed_steps(declaration: Declaration, programs: Programs, name: str) -> list[Step]:
    """All that a row needs, in order; of the rows that it needs only what it uses."""
    found: list[Step] = []
    closure = declaration.closure(name)
    for row in closure:
        steps = row_steps(declaration, programs, row.name)
        found += [step for step in (steps.labels, steps.train) if step is not None]
        if any(other.labels.get("of") == row.name for other in closure):
            found.append(steps.predict)
        if row.name == name or any(row.name in other.compared for other in closure):
            found.append(steps.measure)
    return found


def request(declaration: Declaration, programs: Programs, name: str) -> dict[str, Any]:
    """All that is declared for a row and for those that it needs, configs included, JSON-ready: a
    kept result of another request is not the row's."""
    rows = {
        row.name: {
            "settings": read_settings(row.config, row.opts) if row.config else {},
            "labels": dict(row.labels),
            "start": row.start,
            "measure": row.measure,
            "options": dict(row.options),
        }
        for row in declaration.closure(name)
    }
    return {"dataset": declaration.dataset, "inputs": dict(programs.inputs), "rows": rows}


def _labels(declaration: Declaration, programs: Programs, row: Row) -> Step:
    rules = dict(row.labels)
    source = row_steps(declaration, programs, rules.pop("of"))
    folder = f"{row.name}/labels"
    if "merge" in rules:
        merging = rules["merge"] or {}
        return programs.merge(folder, source.predict.product, source.labels.product, merging)
    return programs.select(folder, source.predict.product, rules)


def _measure(declaration: Declaration, programs: Programs, row: Row, weights: Path | None) -> Step:
    name = f"{row.name}/{row.measure}"
    if row.measure == "evaluation":
        return programs.evaluate(name, row.config, row.opts, weights)
    folder = programs.folder(name)
    if row.measure == "comparison":
        runs = [row_steps(declaration, programs, each).measure.product for each in row.compared]
        words = [f"{each}={run}" for each, run in zip(row.compared, runs, strict=True)]
        rules = {key: value for key, value in row.options.items() if key != "rows"}
        command = ("compare", *words, "--output", str(folder), *flags(rules))
        product = folder / "comparison.json"
        return Step(name, command, product, tuple(runs), measured=read_intervals)
    product, settings = folder / f"{row.measure}.json", dict(programs.inputs)
    if row.measure == "boundaries":
        command = ("probe", *flags(row.options), "--output", str(product))
        return Step(name, command, product, (), settings, measured=load_json)
    kind, read = (
        ((), read_fates) if row.measure == "attribution" else (("--ceilings",), read_ceilings)
    )
    command = ("lost", *kind, "--config-file", row.config, "--output", str(folder))
    command = (*command, *flags(row.options), *row.opts)
    settings |= read_settings(row.config, row.opts)
    return Step(name, command, product, (), settings, (row.config, row.opts), read)


def read_fates(product: Path) -> dict[str, Any]:
    """Group of objects -> fate -> percent, from an attribution.json."""
    return load_json(product)["percent"]


def read_ceilings(product: Path) -> dict[str, Any]:
    """What was given -> metric -> percent, from a ceilings.json."""
    return {row.pop("given"): row for row in load_json(product)["rows"]}


def read_intervals(product: Path) -> dict[str, Any]:
    """Task -> metric -> interval of the difference of two runs, from a comparison.json."""
    return {
        each["task"]: intervals
        for each in load_json(product)
        for intervals in each["intervals"].values()
    }
