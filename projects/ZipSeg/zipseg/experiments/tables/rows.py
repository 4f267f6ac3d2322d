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

_FIELDS = (
    *("name", "table", "title", "matrix", "config", "opts", "labels", "start"),
    *("measure", "options"),
)
_NEEDED = ("name", "table", "title")
# What a row may measure, and whether that is done to a model.
MEASURES = {
    "evaluation": True,
    "attribution": True,
    "ceilings": True,
    "boundaries": False,
    "comparison": False,
}
_TABLE_FIELDS = {"title", "note", "columns", "across", "less_first"}


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: of its files.
        table: which table it belongs to.
        title: shown; rows of one table with the same title are repetitions (seeds) of each other.
        config: of the model, "" where none is measured.
        opts: KEY VALUE changes.
        labels: what it trains on; {} for a model without training. ``dataset`` with ``percent`` and
            ``seed``: a share of the labels of the registered data set; ``of``: the labels that the
            model of that row predicts, filtered by the fields of ``Selection``, or, with ``merge``,
            merged with those that it was trained on by the fields of ``MergeRule``.
        start: the row from whose checkpoint training starts, "" for the config's weights.
        measure: "evaluation" of the model; "attribution" of its lost objects to the stages;
            "ceilings", its accuracy with one stage after the other replaced by the truth;
            "boundaries", a feature source by ``zipseg probe``; or "comparison" of evaluated rows.
        options: of the measuring command, by name; a comparison has ``rows``, the first of which
            the other is held against.
        keys: the values of the matrix.
    """

    name: str
    table: str
    title: str
    config: str = ""
    opts: tuple[str, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    measure: str = "evaluation"
    options: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def compared(self) -> Sequence[str]:
        """The rows whose evaluations it compares."""
        return self.options.get("rows", ()) if self.measure == "comparison" else ()

    @property
    def needs(self) -> tuple[str, ...]:
        """The rows whose models, labels or evaluations it uses."""
        found = (self.labels.get("of", ""), self.start, *self.compared)
        return tuple(dict.fromkeys(filter(None, found)))


@dataclass(frozen=True)
class Declaration:
    """A whole file.

    Attributes:
        dataset: registered; models label its images.
        tables: name -> ``title``; a ``note`` to be read with it; ``columns``: head -> where the
            number is among what a row measured, such as "segm.AP"; ``less_first``: the column whose
            difference from the first row is shown too; ``across``: a key of the matrix, for a grid
            of its values with the one column that there is.
        rows: by name, the most important first: in the order of the file, but the first seed of
            every entry before the second of any.
    """

    dataset: str
    tables: Mapping[str, Mapping[str, Any]]
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
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ZipSegError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or set(content) != {"dataset", "tables", "rows"}:
        raise ZipSegError(f"{path}: needs dataset, tables and rows, nothing else")
    for name, table in content["tables"].items():
        _check_table(f"{path}: table {name}", table)
    rows: dict[str, Row] = {}
    for entry in content["rows"]:
        where = f"{path}: row {entry.get('name', entry) if isinstance(entry, dict) else entry}"
        for row in _expanded(where, entry):
            _check(where, row, rows, content["tables"])
            rows[row.name] = row
    by_seed = sorted(rows.values(), key=lambda row: row.keys.get("seed", 0))
    return Declaration(content["dataset"], content["tables"], {row.name: row for row in by_seed})


def _check_table(where: str, table: object) -> None:
    if not isinstance(table, dict) or set(table) - _TABLE_FIELDS or "title" not in table:
        raise ZipSegError(f"{where}: needs a title and has some of {sorted(_TABLE_FIELDS)}")
    columns = table.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise ZipSegError(f"{where}: needs columns, 'head: place.of.the.number' lines")
    if table.get("less_first", next(iter(columns))) not in columns:
        raise ZipSegError(f"{where}: less_first is '{table['less_first']}', which is no column")
    if "across" in table and len(columns) > 1:
        raise ZipSegError(f"{where}: a grid shows one column, not {len(columns)}")


def _expanded(where: str, entry: object) -> Iterator[Row]:
    if not isinstance(entry, dict) or set(entry) - set(_FIELDS) or set(_NEEDED) - set(entry):
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
    if row.measure not in MEASURES:
        raise ZipSegError(f"{where}: measures '{row.measure}'; there are {', '.join(MEASURES)}")
    if bool(row.config) != MEASURES[row.measure]:
        verb = "needs" if MEASURES[row.measure] else "has no"
        raise ZipSegError(f"{where}: {row.measure} {verb} config")
    if row.measure == "comparison" and len(row.compared) != 2:
        raise ZipSegError(f"{where}: a comparison has options {{rows: [FIRST, OTHER]}}")
    if any(rows[name].measure != "evaluation" for name in row.compared):
        raise ZipSegError(f"{where}: compares rows that are not evaluated")
    allowed = _allowed(row.labels)
    if allowed is None or set(row.labels) - set(allowed):
        raise ZipSegError(
            f"{where}: labels are {{of, {', '.join(Selection._fields)}}}, {{of, merge: "
            f"{{{', '.join(MergeRule._fields)}}}}} or {{dataset, percent, seed}}"
        )
    if "merge" in row.labels and "of" not in rows[row.labels["of"]].labels:
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
