"""What the HTML report shows: counts, histograms and a gallery, as JSON-ready values."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from pycocotools import mask as mask_util

from ..data.coco_format import results_from, same_images, truth_from
from ..data.images import read_image
from ..evaluation.protocols import evaluate
from ..utils.errors import ImageError

_LONG_SIDE = 480  # pixels of a picture in the page


class AgainstTruth(NamedTuple):
    """Labels against ground truth."""

    metrics: list[tuple[str, str, str]]  # rows of a table: name, boxes, masks
    category_ap: dict[str, float]  # percent, by name
    quality: dict[int, float]  # image id -> F1 at IoU 0.5


def histograms(labels: dict, throughput: dict | None) -> list[dict]:
    """The charts: scores, sizes, labels per image, and images over time."""
    annotations = labels["annotations"]
    scores = np.array([a["score"] for a in annotations])
    sides = np.sqrt([a["area"] for a in annotations])
    counts = {image["id"]: 0 for image in labels["images"]}
    for annotation in annotations:
        counts[annotation["image_id"]] += 1
    per_image = np.minimum(np.array(list(counts.values()), int), 20)
    charts = [
        _chart("Scores", np.histogram(scores, 20, (0, 1))[0], ["0", "0.5", "1"], "labels"),
        _chart(
            "Sizes (√area, pixels)",
            np.histogram(np.log2(np.maximum(sides, 1)), 20, (0, 10))[0],
            ["1", "6", "32", "181", "1024"],
            "labels",
        ),
        _chart(
            "Labels per image", np.bincount(per_image, minlength=21), ["0", "10", "20+"], "images"
        ),
    ]
    if throughput and throughput["elapsed_seconds"]:
        line = throughput["timeline"]
        minutes = (line["end"] - line["start"]) / 60
        ticks = ["0 min", f"{minutes / 2:.3g}", f"{minutes:.3g} min"]
        charts.append(_chart("Images over time", line["images"], ticks, "images"))
    return charts


def _chart(title: str, values: Iterable[int], ticks: list[str], unit: str) -> dict:
    return {"title": title, "values": [int(v) for v in values], "ticks": ticks, "unit": unit}


def compare(labels: dict, truth: dict, source: str) -> AgainstTruth:
    """AP of the labels by COCO's rules, and each image's F1 score of labels at IoU 0.5.

    Categories are matched by name, images as ``coco_format.same_images`` does.

    Raises:
        ZipSegError: the ground truth cannot be used, or has none of the names or images.
    """
    ground = truth_from(truth, source)
    images = same_images(labels["images"], truth["images"], "the labels")
    found = results_from(labels, ground, "the labels")
    ground = ground.select_images(list(images.values()))
    boxes = evaluate("coco", ground, found, "bbox")
    masks = evaluate("coco", ground, found, "segm") if found.masks is not None else None
    main = masks or boxes
    rows = [("", "boxes", "masks")]
    for name in ("AP", "AP50", "AP75", "AR@100"):
        rows.append((name, *(_percent(e.metrics[name] if e else None) for e in (boxes, masks))))
    matches = main.matches
    size = len(matches.image_ids)
    hits = np.bincount(matches.image[matches.hit[0, 0]], minlength=size)
    judged_count = np.bincount(matches.image[~matches.ignored[0, 0]], minlength=size)
    objects = np.bincount(matches.truth_image[~matches.truth_ignored[0]], minlength=size)
    f1 = 2 * hits / np.maximum(judged_count + objects, 1)
    f1[judged_count + objects == 0] = 1.0  # nothing there, nothing claimed
    of_truth = dict(zip(matches.image_ids.tolist(), f1.round(4).tolist(), strict=True))
    quality = {own: of_truth[other] for own, other in images.items()}
    return AgainstTruth(rows, dict(main.per_category), quality)


def _percent(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.1f}"


def choose_images(labels: dict, count: int, quality: dict[int, float]) -> list[int]:
    """Ids for the gallery, ascending: the worst images, each category's best, the rest evenly.

    Args:
        count: how many at most.
        quality: of ``AgainstTruth``; empty without ground truth.
    """
    ids = sorted(image["id"] for image in labels["images"])
    worst = sorted(quality, key=lambda i: (quality[i], i))[: count // 3]
    best: dict[int, dict] = {}
    for annotation in labels["annotations"]:
        category = annotation["category_id"]
        if category not in best or annotation["score"] > best[category]["score"]:
            best[category] = annotation
    shining = [best[category]["image_id"] for category in sorted(best)][: count // 3]
    chosen = dict.fromkeys([*worst, *shining])
    even = [ids[i] for i in np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int)]
    spare = [i for i in even if i not in chosen]
    room = count - len(chosen)
    places = np.linspace(0, len(spare) - 1, min(room, len(spare))).round().astype(int)
    return sorted([*chosen, *(spare[i] for i in places)])


def gallery_entry(image: dict, root: Path, shapes: list[dict], truth: list[dict]) -> dict:
    """One picture with its outlines, in pixels of the picture.

    Args:
        image: a COCO image record.
        shapes: its annotations with the category's position as ``c``, any order.
        truth: ground-truth annotations, likewise.
    """
    entry = {"file": image["file_name"], "shapes": [], "truth": []}
    try:
        rgb = read_image(root / image["file_name"], "RGB", max_pixels=None)
    except ImageError as error:
        return {**entry, "reason": str(error)}
    if rgb.shape[:2] != (image["height"], image["width"]):
        other = f"{image['width']} x {image['height']}"
        return {**entry, "reason": f"{rgb.shape[1]} x {rgb.shape[0]}, but labelled as {other}"}
    scale = min(1.0, _LONG_SIDE / max(rgb.shape[:2]))
    width, height = (max(1, round(side * scale)) for side in rgb.shape[1::-1])
    small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
    entry["src"] = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    entry |= {"w": width, "h": height}
    for key, found in (("shapes", shapes), ("truth", truth)):
        for shape in sorted(found, key=lambda x: -x.get("score", 1.0)):
            outline = _outline(shape, (width, height), width / image["width"])
            score = round(shape.get("score", 1.0), 4)
            entry[key].append({"c": shape["c"], "s": score, "d": outline})
    return entry


def _outline(annotation: dict, size: tuple[int, int], scale: float) -> str:
    """An SVG path of the mask, or of the box where there is none."""
    if not annotation.get("segmentation"):
        x, y, w, h = (round(v * scale, 1) for v in annotation["bbox"])
        return f"M{x} {y}h{w}v{h}h{-w}z"
    mask = cv2.resize(
        mask_util.decode(annotation["segmentation"]), size, interpolation=cv2.INTER_AREA
    )
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, 0.8, closed=True)[:, 0].tolist()
        if len(points) > 2:
            parts.append("M" + "L".join(f"{x} {y}" for x, y in points) + "z")
    return "".join(parts)
