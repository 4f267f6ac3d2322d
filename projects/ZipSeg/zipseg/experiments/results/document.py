"""results/zipworld.md and .json: the kept rows of a plan as one document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..boundaries.report import to_markdown as boundaries_table
from ..settings.run import to_markdown as settings_table
from .plan import Plan

# Column -> (task, metric) of an evaluation.
COLUMNS = {
    "mask AP": ("segm", "AP"),
    "mask AP50": ("segm", "AP50"),
    "mask AR@100": ("segm", "AR@100"),
    "box AP": ("bbox", "AP"),
    "class-agnostic mask AP": ("segm_class_agnostic", "AP"),
    "AP50": ("segm_class_agnostic", "AP50"),
    "AR@100": ("segm_class_agnostic", "AR@100"),
    "class-agnostic box AP50": ("bbox_class_agnostic", "AP50"),
    "seen names, mask AP50": ("segm_open_vocabulary", "AP50_base"),
    "unseen": ("segm_open_vocabulary", "AP50_novel"),
    "all": ("segm_open_vocabulary", "AP50_all"),
}
# Differences that a bootstrap is shown for.
_SHOWN = (("segm", "AP"), ("segm", "AP50"), ("bbox", "AP"), ("segm_open_vocabulary", "AP50_novel"))

Rows = Mapping[str, Mapping[str, Any]]


def to_markdown(
    plan: Plan, tables: Mapping[str, Rows], facts: Mapping, intervals: Mapping | None
) -> str:
    """The document.

    Args:
        tables: table -> name -> row as ``RowStore`` keeps it; rows that are not there are named.
        facts: of the boundary probe, as ``boundaries.run.plan_facts`` has them.
        intervals: run -> task -> metric -> interval of its difference from the first row.
    """
    dataset = plan.evaluations.dataset
    parts = [
        "# ZipWorld",
        "Percent unless said otherwise. Rows are kept in `results/zipworld/` with their inputs "
        "(config, checksums of weights and annotations), versions and commit; "
        "`tools/experiments/zipworld_results.py` measures those that are missing or whose inputs "
        "changed, and writes this page.",
        f"## Zip and SAM alone on `{dataset}`",
        "Settings were chosen on other scenes. Unseen names occur in no caption that the networks "
        "were trained on; all names are predicted among.",
        _evaluations(plan, tables["evaluations"]),
        _intervals(plan, intervals),
        _origins(plan.evaluations.rows, tables["evaluations"]),
        "## Settings",
        _settings(plan, tables["settings"]),
        _origins(tables["settings"], tables["settings"]),
        "## Boundary sources",
        _boundaries(plan, tables["boundaries"], facts),
        _origins(plan.boundaries.sources, tables["boundaries"]),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def to_json(tables: Mapping[str, Rows], intervals: Mapping | None) -> dict:
    """The same as plain values, in the order of the plan."""
    lists = {table: list(rows.values()) for table, rows in tables.items()}
    return {**lists, "intervals": intervals}


def _evaluations(plan: Plan, rows: Rows) -> str:
    head = ["", "images", *COLUMNS, "CPU s an image"]
    lines = [_line(head), _line(["---"] * len(head))]
    for name in plan.evaluations.rows:
        if name not in rows:
            lines.append(_line([name, "not measured yet", *[""] * (len(head) - 2)]))
            continue
        result = rows[name]["result"]
        values = [result["metrics"].get(task, {}).get(key) for task, key in COLUMNS.values()]
        seconds = f"{result['cpu_seconds_per_image']:.2f}"
        lines.append(_line([name, str(result["images"]), *map(_number, values), seconds]))
    return "\n".join(lines)


def _intervals(plan: Plan, intervals: Mapping | None) -> str:
    if not intervals:
        return ""
    first = next(iter(plan.evaluations.rows))
    lines = [
        f"Differences from {first}, 95 % intervals of a paired bootstrap over the images "
        "(1,000 resamples, seed 0):",
        "",
    ]
    for run, tasks in intervals.items():
        for task, metric in _SHOWN:
            if interval := tasks.get(task, {}).get(metric):
                lines.append(
                    f"- {run}, {task} {metric}: {interval['difference']:+.1f} "
                    f"({interval['low']:+.1f} to {interval['high']:+.1f})"
                )
    return "\n".join(lines)


def _settings(plan: Plan, rows: Rows) -> str:
    report = {
        "dataset": plan.settings.dataset,
        "images": plan.settings.images,
        "config": plan.settings.config,
        "rows": {name: row["result"] for name, row in rows.items()},
    }
    return settings_table(report) if rows else "Not measured yet."


def _boundaries(plan: Plan, rows: Rows, facts: Mapping) -> str:
    missing = [name for name in plan.boundaries.sources if name not in rows]
    note = f"\n\nNot measured yet: {', '.join(missing)}." if missing else ""
    if not rows:
        return note
    text = boundaries_table(facts, [row["result"] for row in rows.values()], origins=False)
    return "\n".join(line for line in text.splitlines() if not line.startswith("# ")) + note


def _origins(names: Sequence[str] | Mapping, rows: Rows) -> str:
    """The command, commit and machine of each row."""
    return "\n".join(
        f"- {name}: `{row['command']}`; commit {row['commit'][:8]}; {row['machine']}; "
        f"torch {row['versions']['torch']}"
        for name in names
        if (row := rows.get(name))
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"
