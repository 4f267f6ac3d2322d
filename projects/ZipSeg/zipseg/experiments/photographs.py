"""What a segmenter makes of real photographs: with the truth's boxes, and all by itself."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as mask_utils
from torch import Tensor
from tqdm import tqdm

from ..data.coco_format import GroundTruth, results_from
from ..evaluation.protocols import evaluate
from ..modeling.networks.segmenters import Segmenter
from ..utils.errors import ZipSegError
from ..utils.files import load_json, write_json
from .boundaries.images import ProbeImages

SMALL, LARGE = 32**2, 96**2  # COCO's borders between sizes, pixels of a mask
METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR@10", "AR@100", "AR@1000")


def measure(
    segmenter: Segmenter,
    photographs: ProbeImages,
    output: Path,
    facts: Mapping[str, Any],
    generator: Mapping[str, float] | None,
) -> dict[str, Any]:
    """Measures every photograph with objects, and keeps what is done in ``output`` to go on from.

    Args:
        facts: what decides the numbers, kept beside them.
        generator: settings of the automatic mask generator, ``Segmenter.mask_generator``; None
            leaves out what the segmenter finds by itself.

    Returns:
        What ``output`` holds: ``facts``, a record for each image in ``images`` and ``summary``.

    Raises:
        ZipSegError: ``output`` holds results of other facts.
        ImageError: a photograph that cannot be read.
    """
    facts = {**facts, "generator": dict(generator) if generator else None}
    done = load_json(output) if output.exists() else {"facts": facts, "images": {}}
    if done["facts"] != facts:
        raise ZipSegError(f"{output}: holds results of {done['facts']}; name another --output")
    truth = photographs.truth
    at_once = 4 if segmenter.device.type == "cpu" else 64  # more do not fit a CPU's cache
    generate = (
        segmenter.mask_generator(**generator, points_per_batch=at_once) if generator else None
    )
    for image_id in tqdm(np.unique(truth.image[~truth.crowd]).tolist(), unit="image"):
        if str(image_id) not in done["images"]:
            image = photographs.read(image_id)
            done["images"][str(image_id)] = _record(segmenter, generate, image, truth, image_id)
            write_json(output, done)
    done["summary"] = summarise(done["images"], truth)
    write_json(output, done)
    return done


@torch.no_grad()
def _record(
    segmenter: Segmenter,
    generate: Callable | None,
    image: Tensor,
    truth: GroundTruth,
    image_id: int,
) -> dict[str, Any]:
    rows = np.flatnonzero((truth.image == image_id) & ~truth.crowd)
    (encoded,) = segmenter.encode([image.to(segmenter.device)])
    xywh = torch.from_numpy(truth.box[rows]).float().to(segmenter.device)
    masks = segmenter.decode(encoded, torch.cat([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], dim=1))
    iou = prompted_iou(masks.mask.cpu().numpy(), [truth.rles[row] for row in rows])
    record = {
        "iou": iou.round(4).tolist(),
        "predicted_iou": masks.iou.cpu().numpy().round(4).tolist(),
        "area": truth.area[rows].tolist(),
    }
    if generate is not None:
        found = generate(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
        record["found"] = [
            {"segmentation": _rle(each["segmentation"]), "score": float(each["predicted_iou"])}
            for each in found
        ]
    return record


def prompted_iou(mask: np.ndarray, rles: Sequence[dict]) -> np.ndarray:
    """IoU [N] of masks bool [N, H, W] with the objects they were prompted for."""
    truth = mask_utils.decode(list(rles)).transpose(2, 0, 1).astype(bool)
    return (mask & truth).sum((1, 2)) / np.maximum((mask | truth).sum((1, 2)), 1)


def _rle(mask: np.ndarray) -> dict[str, Any]:
    rle = mask_utils.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def summarise(records: Mapping[str, Mapping], truth: GroundTruth) -> dict[str, Any]:
    """Means over all objects, and class-agnostic AP and AR of what was found without prompts.

    Args:
        records: by image id, as text.
    """
    iou, area, predicted = (
        np.concatenate([np.asarray(each[key], float) for each in records.values()])
        for key in ("iou", "area", "predicted_iou")
    )
    sizes = {
        "all": area >= 0,
        "small": area < SMALL,
        "medium": (area >= SMALL) & (area < LARGE),
        "large": area >= LARGE,
    }
    summary: dict[str, Any] = {
        "images": len(records),
        "prompted": {
            name: {
                "objects": int(rows.sum()),
                "mean_iou": float(iou[rows].mean()) if rows.any() else None,
                "above_half": float((iou[rows] > 0.5).mean()) if rows.any() else None,
            }
            for name, rows in sizes.items()
        },
        "predicted_iou_correlation": float(np.corrcoef(iou, predicted)[0, 1]),
    }
    if all("found" in each for each in records.values()):
        ids = [int(image_id) for image_id in records]
        truth = truth.select_images(ids)
        results = [
            {"image_id": int(i), "category_id": int(truth.category_ids[0]), **each}
            for i, record in records.items()
            for each in record["found"]
        ]
        found = results_from(results, truth)
        metrics = evaluate("class_agnostic", truth, found, "segm").metrics
        summary["found"] = {"masks": len(results)} | {name: metrics[name] for name in METRICS}
    return summary


def to_markdown(facts: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Two tables: boxes of the truth, and without prompts."""
    lines = [
        f"{facts['segmenter']} ({facts['type']}, weights {facts['weights']}) on the "
        f"{summary['images']} images with objects of `{facts['dataset']}`.",
        "",
        "| objects | number | mean IoU with the truth's box as prompt | IoU above 0.5 |",
        "|---|---:|---:|---:|",
    ]
    for name, row in summary["prompted"].items():
        if row["objects"]:
            lines.append(
                f"| {name} | {row['objects']} | {row['mean_iou']:.3f} | "
                f"{100 * row['above_half']:.1f} % |"
            )
    lines += [
        "",
        "Correlation of the predicted IoU with the true one: "
        f"{summary['predicted_iou_correlation']:.2f}.",
    ]
    if "found" in summary:
        side = facts["generator"]["points_per_side"]
        lines += [
            "",
            f"Without prompts, from a grid of {side} x {side} points, class-agnostic, masks:",
            "",
            "| masks an image | " + " | ".join(METRICS) + " |",
            "|---:|" + "---:|" * len(METRICS),
            f"| {summary['found']['masks'] / summary['images']:.1f} | "
            + " | ".join(f"{summary['found'][name]:.1f}" for name in METRICS)
            + " |",
        ]
    return "\n".join(lines) + "\n"
