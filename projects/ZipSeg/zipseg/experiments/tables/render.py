"""Kept rows as Markdown, JSON and a plot."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure

from ...utils.files import replacing, write_atomically, write_json
from .rows import Declaration

matplotlib.use("Agg")

METRICS = (("segm", "AP"), ("segm", "AP50"), ("segm", "AP75"), ("bbox", "AP"), ("bbox", "AP50"))
_NAMES = {"segm": "mask", "bbox": "box"}
MAIN = METRICS[0]


class Summary(NamedTuple):
    """A number over repetitions: mean and sample standard deviation (0 of one), percent."""

    mean: float
    deviation: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.1f}" + (f" ± {self.deviation:.1f}" if self.count > 1 else "")


def summarize(rows: Iterable[Mapping], metric: tuple[str, str] = MAIN) -> Summary | None:
    """A metric, (task, name), of rows on their (first) data set; None without any."""
    values = []
    for row in rows:
        (results, *_) = row["metrics"].values()
        value = results.get(metric[0], {}).get(metric[1])
        if value is not None:
            values.append(value)
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return Summary(statistics.fmean(values), deviation, len(values))


def write_tables(
    declaration: Declaration, rows: Sequence[Mapping], output: Path, command: str
) -> str:
    """Writes ``output``.md, .json and .png of the finished rows, and returns the Markdown.

    Args:
        output: without an ending.
        command: that runs rows; ``--only NAME`` is added to it for each.
    """
    text = to_markdown(declaration, rows, output.name, command)
    write_atomically(output.with_suffix(".md"), text.encode())
    write_json(output.with_suffix(".json"), {"command": command, "rows": list(rows)})
    for name, table in declaration.tables.items():
        own = [row for row in rows if row["table"] == name]
        if "columns" in table and own:
            plot(declaration, rows, name, output.with_suffix(".png"))
    return text


def to_markdown(declaration: Declaration, rows: Sequence[Mapping], name: str, command: str) -> str:
    """All tables, with the rows that are missing or out of date named."""
    parts = [
        f"# {declaration.dataset}: trainings\n",
        "Percent; ± is the sample standard deviation over seeds. A row's numbers come from "
        f"`{command} --only ROW`; its commands one by one and its seconds are in `{name}.json` "
        "and, a file a row, in the folder beside it.\n",
    ]
    for table, settings in declaration.tables.items():
        own = [row for row in rows if row["table"] == table]
        parts.append(f"## {settings['title']}\n")
        if "note" in settings:
            parts.append(f"{settings['note'].strip()}\n")
        if own:
            grid = "columns" in settings
            parts.append(_grid(own, settings["columns"]) if grid else _list(own))
        if own and "columns" in settings:
            parts.append(f"![{settings['title']}]({name}.png)\n")
        parts += _remarks(declaration, own, table)
    return "\n".join(parts)


def _remarks(declaration: Declaration, own: Sequence[Mapping], table: str) -> list[str]:
    done = {row["name"] for row in own}
    missing = [r.name for r in declaration.rows.values() if r.table == table and r.name not in done]
    stale = [row["name"] for row in own if row["state"] != "done"]
    remarks = (("Not run yet", missing), ("Declared or configured otherwise since", stale))
    return [f"{what}: {', '.join(names)}.\n" for what, names in remarks if names]


def _by_title(rows: Iterable[Mapping]) -> dict[str, list[Mapping]]:
    found: dict[str, list[Mapping]] = {}
    for row in rows:
        found.setdefault(row["title"], []).append(row)
    return found


def _list(rows: Sequence[Mapping]) -> str:
    heads = [f"{_NAMES[task]} {metric}" for task, metric in METRICS]
    lines = [
        f"| | labels | {' | '.join(heads)} | mask AP less the first | rows |",
        "|---|---:|" + "---:|" * (len(heads) + 1) + "---|",
    ]
    first = None
    for title, own in _by_title(rows).items():
        found = summarize(own)
        first = first or found
        difference = "" if found is None else f"{found.mean - first.mean:+.1f}"
        cells = [str(summarize(own, metric) or "") for metric in METRICS]
        labels = own[0]["labels"]
        shown = "" if labels is None else f"{labels['annotations']:,}"
        names = ", ".join(row["name"] for row in own)
        lines.append(f"| {title} | {shown} | {' | '.join(cells)} | {difference} | {names} |")
    return "\n".join(lines) + "\n"


def _grid(rows: Sequence[Mapping], key: str) -> str:
    """Mask AP by title (down) and a key of the matrix (across)."""
    columns = sorted({row["keys"][key] for row in rows})
    lines = [
        f"| mask AP by {key} | {' | '.join(f'{column:g}' for column in columns)} | rows |",
        "|---|" + "---:|" * len(columns) + "---|",
    ]
    for title, own in _by_title(rows).items():
        cells = [
            str(summarize(row for row in own if row["keys"][key] == column) or "")
            for column in columns
        ]
        names = " ... ".join(dict.fromkeys((own[0]["name"], own[-1]["name"])))
        lines.append(f"| {title} | {' | '.join(cells)} | {names} |")
    return "\n".join(lines) + "\n"


def plot(declaration: Declaration, rows: Sequence[Mapping], table: str, path: Path) -> None:
    """Mask AP over the grid's columns, a curve a title with its spread; rows of the first table,
    which have no such column, as level lines."""
    key, curves = declaration.tables[table]["columns"], [r for r in rows if r["table"] == table]
    levels = [row for row in rows if row["table"] == next(iter(declaration.tables)) != table]
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    columns = sorted({row["keys"][key] for row in curves})
    for title, own in _by_title(curves).items():
        found = [(x, summarize(r for r in own if r["keys"][key] == x)) for x in columns]
        found = [(x, summary) for x, summary in found if summary is not None]
        axes.errorbar(
            [x for x, _ in found],
            [summary.mean for _, summary in found],
            [summary.deviation for _, summary in found],
            marker="o",
            capsize=3,
            label=title,
        )
    shades = [f"{0.75 - 0.6 * n / max(len(levels) - 1, 1):.2f}" for n in range(len(levels))]
    for row, shade in zip(levels, shades, strict=True):
        if (summary := summarize([row])) is not None:
            label = f"{row['title']}, no labels"
            axes.axhline(summary.mean, color=shade, linestyle="--", linewidth=1, label=label)
    axes.set_xscale("log")
    axes.set_xticks(columns, [f"{column:g}" for column in columns])
    axes.minorticks_off()
    axes.set_xlabel(f"{key} of the images labelled")
    axes.set_ylabel("mask AP")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    axes.grid(alpha=0.3)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
