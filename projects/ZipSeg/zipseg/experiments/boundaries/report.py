"""The results of a probe on disk: rows that are kept from run to run, and a table for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...utils.errors import ZipSegError
from ...utils.files import load_json, write_atomically, write_json

COLUMNS = (
    "source", "method", "recall", "precision", "F1", "recall@P", "precision@P", "contact recall",
    "interior rate", "pieces per object", "cells", "settings",
)  # fmt: skip


def read_rows(path: Path, run: Mapping) -> dict[str, dict]:
    """The rows of a results file by source; none where there is no file.

    Raises:
        ZipSegError: the file is damaged, or of a run with other images, seed or choices.
    """
    if not path.exists():
        return {}
    content = load_json(path)
    kept = content.get("run") if isinstance(content, dict) else None
    if kept != run:
        raise ZipSegError(
            f"{path}: holds results of other images, seeds or choices ({kept}); "
            "name another --output"
        )
    return {row["source"]: row for row in content["rows"]}


def write(path: Path, run: Mapping, rows: Sequence[Mapping]) -> str:
    """Writes ``path`` (JSON) and the Markdown beside it; returns the latter."""
    write_json(path, {"run": run, "rows": list(rows)})
    text = to_markdown(run, rows)
    write_atomically(path.with_suffix(".md"), text.encode())
    return text


def to_markdown(run: Mapping, rows: Sequence[Mapping], origins: bool = True) -> str:
    """The run's facts, a table with a line for each source and method, and what each source is.

    Args:
        origins: say for each source which command made its row.
    """
    asked = run["precision"]
    lines = [
        "# Which features tell touching objects apart",
        "",
        "Discovery with oracle activations: the union of the visible masks of each category. Box "
        "recall and precision are at IoU 0.5, class-aware. The settings of every source and method "
        f"are chosen on {len(run['tuning']['images'])} images of `{run['tuning']['name']}` and all "
        f"numbers are measured on {len(run['reported']['images'])} others of "
        f"`{run['reported']['name']}` (seed {run['seed']}). recall@P: at the setting that reached "
        f"the highest recall at a precision of at least {asked} on the former. Contact recall: "
        "share of the cells between touching objects of one category that lie within one cell of a "
        "boundary (cluster borders, or the strongest quarter of the gradient); interior rate: the "
        "same of cells deep inside objects. Method `silhouette` uses, on a finer grid, the "
        "distance to the region's border besides the features; `none` has no features, so that "
        "its watershed gives the regions' connected components and its silhouette what the shape "
        "alone tells.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    for row in rows:
        lines += [
            "| " + " | ".join([row["source"], method, *_cells(result)]) + " |"
            for method, result in row["methods"].items()
        ]
    head = ["source", "what it is", "CPU s", *(["made by"] if origins else [])]
    lines += ["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [
        f"| {row['source']} | {row['note']} | {row['cpu_seconds']} |"
        + (f" {_origin(row)} |" if origins else "")
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _cells(result: Mapping) -> list[str]:
    best, precise = result["best_f1"], result["at_precision"]
    recall, precision = best["reported"]["recall"], best["reported"]["precision"]
    f1 = 2 * recall * precision / max(recall + precision, 1e-12)
    at = [precise["reported"][key] for key in ("recall", "precision")] if precise else [None] * 2
    numbers = [recall, precision, f1, *at, *result["boundaries"].values()]
    settings = ", ".join(f"{key} {_short(value)}" for key, value in best["settings"].items())
    return [*map(_short, numbers), str(best["cells"]), settings]


def _short(value: object) -> str:
    if isinstance(value, list):
        return " and ".join(map(_short, value))
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _origin(row: Mapping) -> str:
    return f"`{row['command']}`, commit {row['commit'][:8]}, {_versions(row)}"


def _versions(row: Mapping) -> str:
    return ", ".join(f"{name} {version}" for name, version in row["versions"].items())
