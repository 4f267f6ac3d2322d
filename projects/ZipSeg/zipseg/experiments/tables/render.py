"""Kept rows as Markdown, JSON and a plot."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...utils.files import replacing, write_atomically, write_json
from ...utils.tables import markdown
from .rows import Declaration


class Spread(NamedTuple):
    """A number over repetitions: mean and sample standard deviation (0 of one)."""

    mean: float
    deviation: float
    count: int

    def __str__(self) -> str:
        if isinstance(self.mean, int):
            return f"{self.mean:,}"
        return f"{self.mean:.1f}" + (f" ± {self.deviation:.1f}" if self.count > 1 else "")


def value_at(row: Mapping, place: str) -> Any:
    """What a row has at "segm.AP" of its metrics, or at "labels.annotations"; None for nothing."""
    found: Any = {**row["metrics"], "labels": row["labels"]}
    for key in place.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def spread(rows: Iterable[Mapping], place: str) -> Spread | None:
    """A number of rows that repeat each other; None without any."""
    values = [value for row in rows if isinstance(value := value_at(row, place), (int, float))]
    if not values:
        return None
    if len(set(values)) == 1:
        return Spread(values[0], 0.0, len(values) if isinstance(values[0], float) else 1)
    return Spread(statistics.fmean(values), statistics.stdev(values), len(values))


def write_tables(
    declaration: Declaration, rows: Sequence[Mapping], output: Path, command: str
) -> str:
    """Writes ``output``.md, .json and a plot a grid of the finished rows; returns the Markdown.

    Args:
        output: without an ending.
        command: that runs rows; ``--only NAME`` is added to it for each.
    """
    text = to_markdown(declaration, rows, output.name, command)
    write_atomically(output.with_suffix(".md"), text.encode())
    write_json(output.with_suffix(".json"), {"command": command, "rows": list(rows)})
    for name, table in declaration.tables.items():
        if "across" in table and any(row["table"] == name for row in rows):
            plot(declaration, rows, name, output.with_name(f"{output.name}-{name}.png"))
    return text


def to_markdown(declaration: Declaration, rows: Sequence[Mapping], name: str, command: str) -> str:
    """All tables, with the rows that are missing or changed named."""
    parts = [
        f"# {name}\n",
        "Percent unless said otherwise; ± is the sample standard deviation over seeds. A row's "
        f"numbers come from `{command} --only ROW`; its commands one by one, its seconds, versions "
        f"and commit are in `{name}.json` and, a file a row, in the folder beside it.\n",
    ]
    for table, settings in declaration.tables.items():
        own = [row for row in rows if row["table"] == table]
        parts.append(f"## {settings['title']}\n")
        if "note" in settings:
            parts.append(f"{settings['note'].strip()}\n")
        if own:
            parts.append((_grid if "across" in settings else _list)(own, settings))
        if own and "across" in settings:
            parts.append(f"![{settings['title']}]({name}-{table}.png)\n")
        parts += _remarks(declaration, own, table)
    return "\n".join(parts)


def _remarks(declaration: Declaration, own: Sequence[Mapping], table: str) -> list[str]:
    done = {row["name"] for row in own}
    missing = [r.name for r in declaration.rows.values() if r.table == table and r.name not in done]
    changed = [row["name"] for row in own if row["state"] != "done"]
    remarks = (("Not run yet", missing), ("Declared or configured otherwise since", changed))
    return [f"{what}: {', '.join(names)}.\n" for what, names in remarks if names]


def _by_title(rows: Iterable[Mapping]) -> dict[str, list[Mapping]]:
    found: dict[str, list[Mapping]] = {}
    for row in rows:
        found.setdefault(row["title"], []).append(row)
    return found


def _list(rows: Sequence[Mapping], settings: Mapping) -> str:
    columns, less_first = settings["columns"], settings.get("less_first")
    head = ["", *columns, *([f"{less_first} less the first"] if less_first else []), "rows"]
    lines, first = [], None
    for title, own in _by_title(rows).items():
        cells: list[object] = [_cell(own, place) for place in columns.values()]
        if less_first:
            found = spread(own, columns[less_first])
            first = first or found
            cells.append("" if found is None else f"{found.mean - first.mean:+.1f}")
        lines.append([title, *cells, ", ".join(row["name"] for row in own)])
    return markdown(head, lines, numbers_from=1)


def _cell(rows: Sequence[Mapping], place: str) -> str:
    """A number over repetitions, the interval of a difference, or a text."""
    value = value_at(rows[0], place)
    if isinstance(value, Mapping):
        return f"{value['difference']:+.1f} ({value['low']:+.1f} to {value['high']:+.1f})"
    return value if isinstance(value, str) else str(spread(rows, place) or "")


def _grid(rows: Sequence[Mapping], settings: Mapping) -> str:
    """The one column by title (down) and a key of the matrix (across)."""
    key, ((head, place),) = settings["across"], settings["columns"].items()
    values = _values(rows, key)
    lines = []
    for title, own in _by_title(rows).items():
        cells = [spread((r for r in own if r["keys"][key] == value), place) for value in values]
        names = " ... ".join(dict.fromkeys((own[0]["name"], own[-1]["name"])))
        lines.append([title, *cells, names])
    return markdown([f"{head} by {key}", *map(str, values), "rows"], lines, numbers_from=1)


def _values(rows: Sequence[Mapping], key: str) -> list:
    """The values of a key, numbers in their order and names in that of the rows."""
    values = list(dict.fromkeys(row["keys"][key] for row in rows))
    return values if any(isinstance(value, str) for value in values) else sorted(values)


def plot(declaration: Declaration, rows: Sequence[Mapping], table: str, path: Path) -> None:
    """A grid's numbers over its columns, a curve a title with its spread; rows of the first table,
    which have no such column, as level lines."""
    from matplotlib.figure import Figure  # a second, which a plan has no need of

    key = declaration.tables[table]["across"]
    ((head, place),) = declaration.tables[table]["columns"].items()
    curves = [row for row in rows if row["table"] == table]
    first = next(iter(declaration.tables))
    levels = _by_title(row for row in rows if row["table"] == first != table)
    values = _values(curves, key)
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    for title, own in _by_title(curves).items():
        found = [
            (x, each)
            for x, value in enumerate(values)
            if (each := spread([r for r in own if r["keys"][key] == value], place)) is not None
        ]
        axes.errorbar(
            [x for x, _ in found],
            [each.mean for _, each in found],
            [each.deviation for _, each in found],
            marker="o",
            capsize=3,
            label=title,
        )
    shades = [f"{0.75 - 0.6 * n / max(len(levels) - 1, 1):.2f}" for n in range(len(levels))]
    for (title, own), shade in zip(levels.items(), shades, strict=True):
        if (each := spread(own, place)) is not None:
            axes.axhline(each.mean, color=shade, linestyle="--", linewidth=1, label=title)
    axes.set_xticks(range(len(values)), map(str, values))
    axes.set_xlabel(key)
    axes.set_ylabel(head)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    axes.grid(alpha=0.3)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
