"""Measuring the rows of each table that are not kept yet, by the code of its own command line."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from detectron2.engine import default_argument_parser

from ...engine import main as engine
from ...engine.setup import load_config
from ...evaluation.report import REPORT_NAME, read_report
from ...utils.files import load_json
from ..boundaries import run as probing
from ..boundaries.images import from_registered
from ..boundaries.sources import Networks, build_source
from ..settings.run import measure_variants, read_variants
from .inputs import annotations_checksum, config_inputs
from .plan import Boundaries, Evaluations, Settings
from .rows import RowStore, file_name

logger = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """A row of the plan: its table, name, inputs and the command that makes it."""

    table: str
    name: str
    inputs: dict[str, Any]
    command: str


def evaluations(plan: Evaluations, output: Path) -> Iterator[Wanted]:
    """The wanted rows of models evaluated as a whole."""
    checksum = annotations_checksum(plan.dataset)
    for name, (config, *options) in plan.rows.items():
        options = evaluation_options(plan, options, output / file_name(name))
        inputs = config_inputs(load_config(config, options)) | {
            "dataset": plan.dataset,
            "annotations": checksum,
            "protocols": plan.protocols,
            "seed": 0,
        }
        arguments = ["--eval-only", "--config-file", config, *options]
        command = shlex.join(["zipseg", "train", *map(str, arguments)])
        yield Wanted("evaluations", name, inputs, command)


def evaluation_options(plan: Evaluations, options: list, output: Path) -> list:
    """KEY VALUE pairs of a row, with the plan's data set and protocols and its output folder."""
    return [
        *options,
        *("DATASETS.TEST", f"('{plan.dataset}',)"),
        *("EVALUATION.PROTOCOLS", str(tuple(plan.protocols))),
        *("OUTPUT_DIR", str(output), "SEED", "0"),
    ]


def evaluation_folder(plan: Evaluations, name: str, output: Path) -> Path:
    """Where a row's evaluation.json and matches are."""
    return output / file_name(name) / "inference" / plan.dataset


def measure_evaluations(plan: Evaluations, store: RowStore, output: Path) -> None:
    """Evaluate the models whose rows are not kept."""
    for wanted in evaluations(plan, output):
        if store.get(*wanted[:3]) is not None:
            continue
        logger.info("measuring %s: %s", wanted.table, wanted.name)
        start = time.process_time()
        arguments = shlex.split(wanted.command)[1:]
        engine.main(default_argument_parser().parse_args(arguments))
        seconds = time.process_time() - start
        folder = evaluation_folder(plan, wanted.name, output)
        report = read_report(folder)
        content = load_json(folder / REPORT_NAME)
        result = {"images": report.images, "cpu_seconds_per_image": seconds / report.images}
        store.keep(*wanted, result | {"metrics": content["results"]})


def settings(plan: Settings) -> Iterator[Wanted]:
    """The wanted rows of compared settings."""
    checksum = annotations_checksum(plan.dataset)
    for name, options in read_variants(plan.variants).items():
        inputs = config_inputs(load_config(plan.config, options)) | {
            "dataset": plan.dataset,
            "annotations": checksum,
            "images": plan.images,
            "options": options,
        }
        command = shlex.join(
            [
                *("tools/experiments/compare_settings.py", "--config-file", plan.config),
                *("--dataset", plan.dataset, "--images", str(plan.images)),
                *("--variants", plan.variants, "--only", name),
                *("--output", "output/settings.json"),
            ]
        )
        yield Wanted("settings", name, inputs, command)


def measure_settings(plan: Settings, store: RowStore) -> None:
    """Measure the variants whose rows are not kept; the networks run once for all of them."""
    wanted = {each.name: each for each in settings(plan) if store.get(*each[:3]) is None}
    variants = {name: each.inputs["options"] for name, each in wanted.items()}
    if variants:
        for name, row in measure_variants(plan.config, plan.dataset, variants, plan.images):
            store.keep(*wanted[name], row)


def probing_plan(plan: Boundaries) -> probing.Plan:
    """The plan as the probe takes it."""
    return probing.Plan(
        from_registered(plan.tune),
        from_registered(plan.dataset),
        plan.tuning_images,
        plan.reported_images,
        tuple(plan.cells),
        tuple(plan.methods),
        plan.precision,
        plan.seed,
    )


def boundaries(plan: Boundaries, facts: dict) -> Iterator[tuple[Wanted, Any]]:
    """The wanted rows of boundary sources, each with the source itself.

    Args:
        facts: as ``boundaries.run.plan_facts`` has them.
    """
    checksums = {name: annotations_checksum(name) for name in (plan.dataset, plan.tune)}
    for name in plan.sources:
        source = build_source(name, Networks(**plan.networks))
        # The note holds a checksum of the network as it is used.
        inputs = {"source": name, "note": source.note, "annotations": checksums, **facts}
        yield Wanted("boundaries", name, inputs, _probe_command(plan, name)), source


def measure_boundaries(plan: Boundaries, store: RowStore) -> None:
    """Probe the sources whose rows are not kept."""
    probe_plan = probing_plan(plan)
    facts = probing.plan_facts(probe_plan)
    pending = [each for each in boundaries(plan, facts) if store.get(*each[0][:3]) is None]
    wanted = {each.name: each for each, _ in pending}
    with torch.no_grad():
        for row in probing.measure(probe_plan, [source for _, source in pending], ""):
            each = wanted[row["source"]]
            store.keep(*each, row | {"command": each.command})


def _probe_command(plan: Boundaries, source: str) -> str:
    networks = [part for key, value in plan.networks.items() for part in (_option(key), value)]
    return shlex.join(
        [
            "tools/experiments/probe_boundaries.py",
            *("--dataset", plan.dataset, "--tune", plan.tune),
            *("--tuning-images", str(plan.tuning_images)),
            *("--reported-images", str(plan.reported_images)),
            *("--cells", *map(str, plan.cells), "--methods", *plan.methods),
            *("--precision", str(plan.precision), "--seed", str(plan.seed)),
            *("--sources", source, *map(str, networks)),
        ]
    )


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")
