"""From a plan to the finished document, going on wherever an earlier run stopped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...evaluation import comparison
from ...evaluation.report import REPORT_NAME, read_report
from ...utils.errors import ZipSegError
from ...utils.files import load_json, write_atomically, write_json
from ...utils.identity import value_checksum
from ..boundaries.run import plan_facts
from . import measure
from .document import to_json, to_markdown
from .plan import Evaluations, Plan
from .rows import RowStore

TABLES = ("evaluations", "settings", "boundaries")


def record_results(plan: Plan, results: Path, output: Path, tables: Sequence[str] = TABLES) -> str:
    """Measure what is missing and write ``results``.md, ``results``.json and the rows in the
    folder ``results``.

    Args:
        results: path without an ending, such as results/zipworld.
        output: folder for the evaluations' predictions and matches.
        tables: which of ``TABLES`` to measure; the document shows what is kept of the others.

    Returns:
        the document in Markdown.
    """
    store = RowStore(results)
    if "evaluations" in tables:
        measure.measure_evaluations(plan.evaluations, store, output)
    if "settings" in tables:
        measure.measure_settings(plan.settings, store)
    if "boundaries" in tables:
        measure.measure_boundaries(plan.boundaries, store)
    facts = plan_facts(measure.probing_plan(plan.boundaries))
    kept = {
        "evaluations": _kept(store, measure.evaluations(plan.evaluations, output)),
        "settings": _kept(store, measure.settings(plan.settings)),
        "boundaries": _kept(
            store, (wanted for wanted, _ in measure.boundaries(plan.boundaries, facts))
        ),
    }
    intervals = _intervals(plan.evaluations, kept["evaluations"], results, output)
    text = to_markdown(plan, kept, facts, intervals)
    write_json(results.with_suffix(".json"), to_json(kept, intervals))
    write_atomically(results.with_suffix(".md"), text.encode())
    return text


def _kept(store: RowStore, wanted: Iterable[measure.Wanted]) -> dict[str, dict]:
    rows = {each.name: store.get(*each[:3]) for each in wanted}
    return {name: row for name, row in rows.items() if row is not None}


def _intervals(plan: Evaluations, rows: dict, results: Path, output: Path) -> dict | None:
    """Intervals of the differences from the first row: kept ones of the same rows, else computed.

    They need the matches of every row in ``output``; where those are gone there are none.
    """
    path, inputs = results / "intervals.json", {name: row["digest"] for name, row in rows.items()}
    kept = load_json(path) if path.exists() else {}
    if kept.get("digest") == value_checksum(inputs):
        return kept["intervals"]
    if rows.keys() != plan.rows.keys():
        return None
    try:
        folders = {name: measure.evaluation_folder(plan, name, output) for name in rows}
        reports = [read_report(path / REPORT_NAME, name) for name, path in folders.items()]
        comparisons = comparison.to_json(comparison.compare(reports))
    except ZipSegError:
        return None
    intervals = {
        report.name: {
            each["task"]: each["intervals"][report.name]
            for each in comparisons
            if report.name in each["intervals"]
        }
        for report in reports[1:]
    }
    write_json(path, {"digest": value_checksum(inputs), "intervals": intervals})
    return intervals
