"""A probe: a source's worth to a method, its settings chosen on some images, reported on others."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from ...modeling.stages.discovery import Discovery
from ...utils.errors import ImageError, ZipSegError
from .boxes import BoxScore, FoundBoxes, count_boxes, found_boxes, intervals, score_boxes
from .counts import NOTHING, BoundaryCounts, count_boundaries
from .images import ProbeImages
from .methods import METHODS, Method, constants
from .oracle import ProbedImage, grid_of, read_image_objects
from .pictures import draw
from .sources import FeatureSource

logger = logging.getLogger(__name__)
DRAWN = 4  # images to make pictures of


class ProbeRequest(NamedTuple):
    """What is measured, apart from the source.

    Attributes:
        tuning, reported: data sets to choose settings on and to report on, and how many images of
            each. No image is in both: where both data sets are one, the images differ.
        cells: numbers of cells on the short side of the grid to choose from.
        method: one of ``METHODS``.
        precision: at which recall is compared, 0..1.
        seed: of the choice of images.
    """

    tuning: ProbeImages
    reported: ProbeImages
    tuning_images: int
    reported_images: int
    cells: tuple[int, ...]
    method: str
    precision: float
    seed: int


class Part(NamedTuple):
    """The images for one purpose."""

    images: ProbeImages
    scenes: list[ProbedImage]


class Option(NamedTuple):
    """A setting to try on a grid with so many cells on the short side."""

    cells: int
    settings: Discovery


@torch.no_grad()
def probe(source: FeatureSource, request: ProbeRequest, pictures: Path | None = None) -> dict:
    """What a source is worth to a method.

    Two settings are chosen on the tuning images: that of highest F1, and that of highest recall
    among those of at least the asked precision (none if no setting gets there). Their scores, and
    for the first one the boundary measures, are those on the reported images.

    Args:
        pictures: folder for pictures of the first reported images.

    Returns:
        ``source``, ``note``, ``images`` (ids), ``best_f1`` with its ``intervals`` and
        ``at_precision`` (percent, the latter None where no setting gets there), ``boundaries``
        (percent; pieces an object), ``settings``, ``cells``, ``cpu_seconds``.

    Raises:
        ZipSegError: images without objects, or none that can be read.
    """
    start = time.process_time()
    method = METHODS[request.method]
    tuning, reported = _parts(request, method)
    options = [Option(n, each) for n in request.cells for each in method.candidates(n)]
    found, _ = _discover(source, tuning, method, options, "choosing settings")
    tuned = [score_boxes(tuning.images.truth, boxes) for boxes in found]
    chosen = [options[i] for i in _pick(tuned, request.precision)]
    found, counts = _discover(source, reported, method, chosen, "measuring")
    scores = [score_boxes(reported.images.truth, boxes).percent() for boxes in found]
    best = chosen[0]
    if pictures:
        draw(source, reported.scenes[:DRAWN], request.method, best.cells, best.settings, pictures)
    return {
        "source": source.name,
        "note": source.note,
        "images": {
            key: [scene.image_id for scene in part.scenes]
            for key, part in (("tuning", tuning), ("reported", reported))
        },
        "best_f1": scores[0],
        "intervals": intervals(count_boxes(reported.images.truth, found[0])),
        "at_precision": scores[1] if len(scores) > 1 else None,
        "boundaries": counts.measures(),
        "cells": best.cells,
        "settings": constants(best.settings),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def _parts(request: ProbeRequest, method: Method) -> tuple[Part, Part]:
    reported = request.reported.sample(request.reported_images, request.seed)
    same = request.tuning.name == request.reported.name
    tuning = request.tuning.sample(request.tuning_images, request.seed, reported if same else ())
    cells = {n * fine for n in request.cells for fine in (1, method.fine)}
    return _read(request.tuning, tuning, cells), _read(request.reported, reported, cells)


def _read(images: ProbeImages, ids: Sequence[int], cells: set[int]) -> Part:
    """Reads images, for grids of so many cells; unreadable ones are left out with a warning."""
    scenes = []
    for image_id in tqdm(ids, desc=f"reading {images.name}", unit="image"):
        try:
            image = images.read(image_id)
        except ImageError as error:
            logger.warning("left out: %s", error)
            continue
        scenes.append(read_image_objects(images.truth, image_id, image, cells))
    if not scenes:
        raise ZipSegError(f"{images.name}: none of the {len(ids)} chosen images can be read")
    return Part(images, scenes)


def _pick(scores: Sequence[BoxScore], precision: float) -> list[int]:
    """Index of the best F1, and of the best recall at a precision if any setting has it."""
    places = range(len(scores))
    precise = [i for i in places if scores[i].precision >= precision]
    best = max(places, key=lambda i: scores[i].f1)
    return [best, max(precise, key=lambda i: scores[i].recall)] if precise else [best]


def _discover(
    source: FeatureSource, part: Part, method: Method, options: Sequence[Option], purpose: str
) -> tuple[list[list[FoundBoxes]], BoundaryCounts]:
    """Boxes of all images for each option; boundary counts of the first one when measuring."""
    found: list[list[FoundBoxes]] = [[] for _ in options]
    counts = NOTHING
    for scene in tqdm(part.scenes, desc=f"{source.name}: {purpose}", unit="image"):
        for n in sorted({option.cells for option in options}):
            features = source.extract(scene.image, grid_of(scene.image, n))
            here = [i for i, option in enumerate(options) if option.cells == n]
            settings = [options[i].settings for i in here]
            activation = scene.oracle[n * method.fine].activation
            objects = method.discover(features, activation, settings, scene.image.shape[-2:])
            for i, each in zip(here, objects, strict=True):
                found[i].append(found_boxes(scene, each))
            if purpose == "measuring" and 0 in here:
                cuts = method.cuts(features, activation, settings[0])
                counts += count_boundaries(cuts, scene.oracle[n])
    return found, counts
