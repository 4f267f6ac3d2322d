"""A whole probe: every asked source's row, kept as soon as it is measured."""

from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ...utils.identity import commit
from .images import ProbeImages
from .pictures import draw
from .probe import probe, read_part
from .report import read_rows, write
from .sources import Networks, Source, build_source

LIBRARIES = ("torch", "open_clip_torch", "scikit-image", "scipy")
DRAWN = 4  # images to make pictures of


class Plan(NamedTuple):
    """What is measured, apart from the sources."""

    tuning: ProbeImages
    reported: ProbeImages
    tuning_images: int
    reported_images: int
    cells: tuple[int, ...]
    methods: tuple[str, ...]
    precision: float
    seed: int


def run(
    plan: Plan,
    sources: Sequence[str],
    networks: Networks,
    output: Path,
    command: str,
    again: bool = False,
    pictures: Path | None = None,
) -> list[dict]:
    """Measures sources, prints the table after each, and keeps it in ``output`` and as Markdown.

    Settings are never chosen on an image that is reported on: where both data sets are one, the
    images differ.

    Args:
        output: JSON file; sources it holds a row of, with the same weights, are skipped unless
            ``again``.
        command: what to type to get this.
        pictures: folder for pictures of the first reported images.

    Returns:
        All rows of ``output``.

    Raises:
        ZipSegError: an unknown source, images without objects, results of another plan.
        ConfigError: weights that cannot be had.
    """
    facts = plan_facts(plan)
    rows = read_rows(output, facts)
    built = [build_source(name, networks) for name in dict.fromkeys(sources)]
    if not again:  # the note tells other weights
        built = [each for each in built if rows.get(each.name, {}).get("note") != each.note]
    print(f"{len(rows)} sources in {output}, {len(built)} to measure", flush=True)
    for row in measure(plan, built, command, pictures):
        rows[row["source"]] = row
        print(write(output, facts, list(rows.values())), flush=True)
    return list(rows.values())


def plan_facts(plan: Plan) -> dict:
    """All of a plan that decides the numbers, as plain values; the images are chosen here.

    Raises:
        ZipSegError: no images with objects.
    """
    reported = plan.reported.sample(plan.reported_images, plan.seed)
    same = plan.tuning.name == plan.reported.name
    tuning = plan.tuning.sample(plan.tuning_images, plan.seed, reported if same else ())
    return {
        "reported": {"name": plan.reported.name, "images": list(reported)},
        "tuning": {"name": plan.tuning.name, "images": list(tuning)},
        "cells": list(plan.cells),
        "methods": list(plan.methods),
        "precision": plan.precision,
        "seed": plan.seed,
    }


def measure(
    plan: Plan, sources: Sequence[Source], command: str, pictures: Path | None = None
) -> Iterator[dict]:
    """The row of each source, as it is done; arguments as for ``run``."""
    if not sources:
        return
    facts = plan_facts(plan)
    parts = (
        read_part(plan.tuning, facts["tuning"]["images"], plan.cells),
        read_part(plan.reported, facts["reported"]["images"], plan.cells),
    )
    origin = {
        "command": command,
        "commit": commit(),
        "versions": {name: metadata.version(name) for name in LIBRARIES},
    }
    for source in sources:
        row = probe(source, *parts, plan.cells, plan.precision, plan.methods)
        yield row | origin
        if pictures:
            draw(source, parts[1].scenes[:DRAWN], row, pictures)
