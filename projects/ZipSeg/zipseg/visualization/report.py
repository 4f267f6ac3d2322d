"""One self-contained HTML page about a labelling run: it needs no network and no server."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..data.coco_format import read_labels, same_images
from ..utils.errors import ZipSegError
from ..utils.files import load_json, replacing_text
from .report_data import (
    AgainstTruth,
    choose_images,
    compare,
    gallery_entry,
    histograms,
)

FILE = "report.html"


def write_report(
    output: str | Path,
    truth: str | Path | None = None,
    labels: str | Path | None = None,
    images: str | Path | None = None,
    gallery: int = 150,
) -> Path:
    """Writes ``report.html`` into the folder of a labelling run.

    Args:
        output: the run's folder with ``labels.json``, ``failures.json`` and ``summary.json``; the
            latter two may be missing.
        truth: a COCO-format file to compare with.
        labels: another COCO-format file of labels, e.g. a selection.
        images: the images' folder; None for the one in the labels' provenance.
        gallery: how many pictures the page holds.

    Returns:
        The page.

    Raises:
        ZipSegError: a file that cannot be used, or a folder that cannot be written.
    """
    output = Path(output)
    found = read_labels(labels or output / "labels.json")
    ground = read_labels(truth) if truth else None
    comparison = compare(found, ground, str(truth)) if ground else AgainstTruth([], {}, {})
    failures = _load(output / "failures.json", _are_failures, [])
    speed = _load(output / "summary.json", _has_throughput, {}).get("throughput")
    provenance = found["info"].get("provenance")
    root = Path(images or _inside(provenance, "source", "root") or ".")
    page = {
        "subtitle": _subtitle(found, provenance),
        "tiles": _tiles(found, failures, speed, comparison),
        "charts": histograms(found, speed),
        "metrics": comparison.metrics,
        "categories": _categories(found, comparison),
        "images": len(found["images"]) + len(failures),
        "failures": len(failures),
        "gallery": _gallery(found, ground, comparison, root, gallery) + _failed(failures, gallery),
        "provenance": provenance,
    }
    # "<" escaped, no text in the data can end the script element that holds it.
    data = json.dumps(page, separators=(",", ":")).replace("<", "\\u003c")
    template = files(__package__).joinpath("report_template.html").read_text(encoding="utf-8")
    with replacing_text(output / FILE) as file:
        file.write(template.replace("__DATA__", data))
    return output / FILE


def _load(path: Path, usable: Callable[[Any], bool], default: Any) -> Any:
    if not path.exists():
        return default
    try:
        content = load_json(path)
    except ZipSegError as error:
        raise ZipSegError(f"{error}; delete it to go without") from error
    if not usable(content):
        raise ZipSegError(f"{path}: not the file that a labelling run writes; delete it")
    return content


def _are_failures(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(_inside(entry, key), str) for entry in content for key in ("file_name", "reason")
    )


def _has_throughput(content: Any) -> bool:
    numbers = [
        *(_inside(content, "throughput", key) for key in ("elapsed_seconds", "images_per_second")),
        *(_inside(content, "throughput", "timeline", key) for key in ("start", "end")),
    ]
    images = _inside(content, "throughput", "timeline", "images")
    return isinstance(images, list) and all(isinstance(x, int | float) for x in numbers + images)


def _inside(content: Any, *keys: str) -> Any:
    """The value at the end of the path, None where an object on the way is missing or none."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _subtitle(labels: dict, provenance: Any) -> str:
    """What was labelled, by which model with which config and weights, and when."""
    source = _inside(provenance, "source", "name")
    model = _inside(provenance, "config", "MODEL")
    architecture = _inside(model, "META_ARCHITECTURE")
    parts = (
        *(source, architecture, _config_file(_inside(provenance, "command"))),
        *(_weights(model), labels["info"].get("date_created")),
    )
    return " · ".join(str(part) for part in parts if part)


def _config_file(command: Any) -> str | None:
    """The config file of the command line that made the labels."""
    words = command.split() if isinstance(command, str) else []
    at = words.index("--config-file") + 1 if "--config-file" in words else len(words)
    return words[at] if at < len(words) else None


def _weights(model: Any) -> str | None:
    """The networks' weights by their names, or a detector's checkpoint."""
    if isinstance(_inside(model, "WEIGHTS"), str) and model["WEIGHTS"]:
        return model["WEIGHTS"]
    parts = ((part, _inside(model, "ZIP", part)) for part in ("SEMANTIC", "BOUNDARY", "SEGMENTER"))
    named = (
        f"{_inside(section, 'ARCH') or _inside(section, 'TYPE')}/{section['WEIGHTS']}"
        for _, section in parts
        if _inside(section, "WEIGHTS")
    )
    return ", ".join(named) or None


def _tiles(labels: dict, failures: list, speed: dict | None, comparison: AgainstTruth) -> list:
    images, count = len(labels["images"]), len(labels["annotations"])
    used = len({a["category_id"] for a in labels["annotations"]})
    tiles = [
        (f"{images:,}", "images labelled"),
        (f"{count:,}", "labels"),
        (f"{count / max(images, 1):.2f}", "labels per image"),
        (f"{used:,} / {len(labels['categories']):,}", "categories used"),
        (f"{len(failures):,}", "images failed"),
    ]
    if speed:
        tiles.append((f"{speed['images_per_second']:,.2f}", "images per second"))
    if comparison.metrics:
        _, boxes, masks = comparison.metrics[1]
        tiles.append((boxes, "AP of boxes") if masks == "-" else (masks, "AP of masks"))
    return tiles


def _categories(labels: dict, comparison: AgainstTruth) -> list[dict]:
    counts = Counter(a["category_id"] for a in labels["annotations"])
    result = []
    for category in labels["categories"]:
        ap = comparison.category_ap.get(category["name"])
        missing = ap is None or ap != ap
        result.append(
            {
                "name": category["name"],
                "labels": counts[category["id"]],
                "ap": None if missing else round(ap, 2),
            }
        )
    return result


def _gallery(
    labels: dict, truth: dict | None, comparison: AgainstTruth, root: Path, count: int
) -> list[dict]:
    chosen = set(choose_images(labels, count, comparison.quality))
    shapes = _by_image(labels, {c["id"]: i for i, c in enumerate(labels["categories"])})
    truths = _by_image(truth, defaultdict(int)) if truth else {}
    in_truth = same_images(labels["images"], truth["images"], "the labels") if truth else {}
    entries = []
    for image in sorted(labels["images"], key=lambda x: x["id"]):
        number = image["id"]
        if number in chosen:
            other = truths.get(in_truth.get(number), [])
            entry = gallery_entry(image, root, shapes.get(number, []), other)
            entries.append({**entry, "quality": comparison.quality.get(number)})
    return entries


def _by_image(labels: dict, places: dict[int, int]) -> dict[int, list[dict]]:
    found: dict[int, list[dict]] = defaultdict(list)
    for annotation in labels["annotations"]:
        place = places[annotation["category_id"]]
        found[annotation["image_id"]].append({**annotation, "c": place})
    return found


def _failed(failures: list[dict], count: int) -> list[dict]:
    return [
        {"file": f["file_name"], "reason": f["reason"], "shapes": [], "truth": []}
        for f in failures[:count]
    ]
