"""Probing a source: settings chosen on some images, everything reported on others."""

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from tqdm import tqdm

from ...modeling.stages.discovery import Discovery
from ...utils.errors import ImageError, ZipSegError
from .boxes import Found, Score, found_boxes, score_boxes
from .counts import NOTHING, BoundaryCounts, count_boundaries
from .images import ProbeImages
from .methods import METHODS, constants
from .oracle import Scene, grid_of, read_scene
from .sources import Source

logger = logging.getLogger(__name__)


class Part(NamedTuple):
    """The images for one purpose."""

    images: ProbeImages
    scenes: list[Scene]


class Option(NamedTuple):
    """A setting to try on a grid with so many cells on the short side."""

    cells: int
    settings: Discovery


def read_part(images: ProbeImages, ids: Sequence[int], cells: Sequence[int]) -> Part:
    """Reads images, for features of so many cells; unreadable ones are left out with a warning.

    Raises:
        ZipSegError: none can be read.
    """
    grids = {n * method.fine for n in cells for method in METHODS.values()} | set(cells)
    scenes = []
    for image_id in tqdm(ids, desc=f"reading {images.name}", unit="image"):
        try:
            scenes.append(read_scene(images.truth, image_id, images.read(image_id), grids))
        except ImageError as error:
            logger.warning("left out: %s", error)
    if not scenes:
        raise ZipSegError(f"{images.name}: none of the {len(ids)} chosen images can be read")
    return Part(images, scenes)


@torch.no_grad()
def probe(
    source: Source,
    tuning: Part,
    reported: Part,
    cells: Sequence[int],
    precision: float,
    methods: Sequence[str],
) -> dict:
    """One row: what a source is worth to each method.

    For each method two settings are chosen on ``tuning``: that of highest F1, and that of highest
    recall among those of at least ``precision`` (none if no setting gets there). Their scores, and
    for the first one the boundary measures, are those on ``reported``.

    Args:
        cells: numbers of cells on the short side of the grid to choose from.
        precision: in 0..1.
        methods: of ``METHODS``.
    """
    start = time.process_time()
    options = {
        name: [Option(n, settings) for n in cells for settings in METHODS[name].candidates(n)]
        for name in methods
    }
    found, _ = _discover(source, tuning, options, "choosing settings")
    tuned = {
        name: [score_boxes(tuning.images.truth, boxes) for boxes in found[name]] for name in methods
    }
    picks = {name: _pick(tuned[name], precision) for name in methods}
    options = {name: [options[name][i] for i in picks[name]] for name in methods}
    found, counts = _discover(source, reported, options, "measuring")
    rows = {}
    for name in methods:
        results = [
            {
                "cells": option.cells,
                "settings": constants(option.settings),
                "tuning": tuned[name][i]._asdict(),
                "reported": score_boxes(reported.images.truth, boxes)._asdict(),
            }
            for i, option, boxes in zip(picks[name], options[name], found[name], strict=True)
        ]
        rows[name] = {
            "boundaries": counts[name].measures(),
            "best_f1": results[0],
            "at_precision": results[1] if len(results) > 1 else None,
        }
    seconds = round(time.process_time() - start, 1)
    return {"source": source.name, "note": source.note, "cpu_seconds": seconds, "methods": rows}


def _pick(scores: Sequence[Score], precision: float) -> list[int]:
    """Index of the best F1, and of the best recall at a precision if any setting has it."""
    places = range(len(scores))
    precise = [i for i in places if scores[i].precision >= precision]
    best = max(places, key=lambda i: scores[i].f1)
    return [best, max(precise, key=lambda i: scores[i].recall)] if precise else [best]


def _discover(
    source: Source, part: Part, options: dict[str, list[Option]], purpose: str
) -> tuple[dict[str, list[list[Found]]], dict[str, BoundaryCounts]]:
    """Boxes of all images for each option of each method; boundary counts of its first option."""
    found = {name: [[] for _ in wanted] for name, wanted in options.items()}
    counts = dict.fromkeys(options, NOTHING)
    for scene in tqdm(part.scenes, desc=f"{source.name}: {purpose}", unit="image"):
        for n in sorted({option.cells for wanted in options.values() for option in wanted}):
            features = source.extract(scene.image, grid_of(scene.image, n))
            for name, wanted in options.items():
                method = METHODS[name]
                here = [i for i, option in enumerate(wanted) if option.cells == n]
                settings = [wanted[i].settings for i in here]
                activation = scene.oracle[n * method.fine].activation
                objects = method.discover(features, activation, settings, scene.image.shape[-2:])
                for i, each in zip(here, objects, strict=True):
                    found[name][i].append(found_boxes(scene, each))
                if purpose == "measuring" and 0 in here:
                    cuts = method.cuts(features, activation, settings[0])
                    counts[name] += count_boundaries(cuts, scene.oracle[n])
    return found, counts
