"""Rows as declared in YAML: one entry is one row, or as many as its ``matrix`` has combinations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...labeling.filters import Selection
from ...self_training.rule import MergeRule
from ...utils.errors import ZipSegError

_FIELDS = {"name", "table", "title", "config", "opts", "labels", "start", "matrix"}
_NEEDED = ("name", "table", "title", "config")


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: of its files.
        table: which table it belongs to.
        title: shown; rows of one table with the same title are repetitions (seeds) of each other.
        config: of the model.
        opts: KEY VALUE changes.
        labels: what it trains on; {} for a model without training. ``dataset`` with ``percent`` and
            ``seed``: a split of the registered data set; ``of``: the labels that the model of that
            row predicts, filtered by the fields of ``Selection``, or, with ``merge``, merged with
            those that it was trained on by the fields of ``MergeRule``.
        start: the row from whose checkpoint training starts, "" for the config's weights.
        keys: the values of the matrix.
    """

    name: str
    table: str
    title: str
    config: str
    opts: tuple[str, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """The rows whose models or labels it uses."""
        return tuple(dict.fromkeys(filter(None, (self.labels.get("of", ""), self.start))))


@dataclass(frozen=True)
class Declaration:
    """A whole file.

    Attributes:
        dataset: registered; models label its images.
        tables: name -> ``title``, a ``note`` to be read with it if there is one, and, for a grid,
            ``columns``: the matrix key across.
        rows: by name, the most important first: in the order of the file, but the first seed of
            every entry before the second of any.
    """

    dataset: str
    tables: Mapping[str, Mapping[str, str]]
    rows: Mapping[str, Row]

    def closure(self, name: str) -> list[Row]:
        """A row after all that it needs."""
        found: dict[str, Row] = {}

        def visit(row: Row) -> None:
            for need in row.needs:
                if need not in found:
                    visit(self.rows[need])
            found[row.name] = row

        visit(self.rows[name])
        return list(found.values())


def read_rows(path: str | Path) -> Declaration:
    """Reads and checks a file of rows.

    Raises:
        ZipSegError: naming the file and the entry at fault.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ZipSegError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or set(content) != {"dataset", "tables", "rows"}:
        raise ZipSegError(f"{path}: needs dataset, tables and rows, nothing else")
    rows: dict[str, Row] = {}
    for entry in content["rows"]:
        where = f"{path}: row {entry.get('name', entry) if isinstance(entry, dict) else entry}"
        for row in _expanded(where, entry):
            _check(where, row, rows, content["tables"])
            rows[row.name] = row
    by_seed = sorted(rows.values(), key=lambda row: row.keys.get("seed", 0))
    return Declaration(content["dataset"], content["tables"], {row.name: row for row in by_seed})


def _expanded(where: str, entry: object) -> Iterator[Row]:
    if not isinstance(entry, dict) or set(entry) - _FIELDS or not set(_NEEDED) <= set(entry):
        raise ZipSegError(f"{where}: needs {', '.join(_NEEDED)} and has some of {sorted(_FIELDS)}")
    matrix = entry.get("matrix", {})
    for values in itertools.product(*matrix.values()):
        keys = dict(zip(matrix, values, strict=True))
        try:
            filled = _filled({k: v for k, v in entry.items() if k != "matrix"}, keys)
        except (KeyError, IndexError, ValueError) as error:
            raise ZipSegError(f"{where}: its matrix has no {error}") from error
        filled["opts"] = tuple(str(word) for word in filled.get("opts", ()))
        yield Row(**filled, keys=keys)


def _filled(value: Any, keys: Mapping[str, Any]) -> Any:
    """``value`` with "{key}" replaced in all strings; a string that is nothing else becomes the
    key's value itself."""
    if isinstance(value, dict):
        return {k: _filled(v, keys) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, keys) for v in value]
    if isinstance(value, str):
        whole = value[1:-1] if value.startswith("{") and value.endswith("}") else None
        return keys[whole] if whole in keys else value.format(**keys)
    return value


def _check(where: str, row: Row, rows: Mapping[str, Row], tables: Mapping) -> None:
    if row.name in rows:
        raise ZipSegError(f"{where}: there are two rows '{row.name}'")
    if row.table not in tables:
        raise ZipSegError(f"{where}: no table '{row.table}' is declared")
    for need in row.needs:
        if need not in rows:
            raise ZipSegError(f"{where}: needs '{need}', which no earlier row is")
    allowed = _allowed(row.labels)
    if allowed is None or set(row.labels) - set(allowed):
        raise ZipSegError(
            f"{where}: labels are {{of, {', '.join(Selection._fields)}}}, {{of, merge: "
            f"{{{', '.join(MergeRule._fields)}}}}} or {{dataset, percent, seed}}"
        )
    if "merge" in row.labels and not rows[row.labels["of"]].labels:
        raise ZipSegError(f"{where}: '{row.labels['of']}' was not trained on labels to merge with")


def _allowed(labels: Mapping[str, Any]) -> Sequence[str] | None:
    if not labels:
        return ()
    if "dataset" in labels:
        return "dataset", "percent", "seed"
    if "of" not in labels:
        return None
    if "merge" in labels:
        known = set(labels["merge"] or {}) <= set(MergeRule._fields)
        return ("of", "merge") if known else None
    return ("of", *Selection._fields)
