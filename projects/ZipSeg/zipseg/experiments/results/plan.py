"""What is recorded: three tables and their rows, read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ...utils.errors import ZipSegError


@dataclass(frozen=True)
class Evaluations:
    """Models evaluated on a whole data set, in the order of the table.

    Attributes:
        dataset: registered name.
        protocols: of ``evaluation.PROTOCOLS``.
        rows: name -> [config file, KEY, VALUE, ...]; the others are held against the first.
    """

    dataset: str
    protocols: list[str]
    rows: dict[str, list]


@dataclass(frozen=True)
class Settings:
    """Variants of a config on the first ``images`` of a data set.

    Attributes:
        variants: a file as ``ablation.run.read_variants`` reads it.
    """

    dataset: str
    images: int
    config: str
    variants: str


@dataclass(frozen=True)
class Boundaries:
    """Sources of the boundary prior, as tools/experiments/probe_boundaries.py takes them.

    Attributes:
        dataset: what is reported on. tune: what settings are chosen on.
        sources: names as ``probing.sources.build_source`` knows them.
        networks: fields of ``probing.sources.Networks`` that differ from its defaults.
    """

    dataset: str
    tune: str
    tuning_images: int
    reported_images: int
    cells: list[int]
    methods: list[str]
    precision: float
    seed: int
    sources: list[str]
    networks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The tables of the document."""

    evaluations: Evaluations
    settings: Settings
    boundaries: Boundaries


def read_plan(path: str | Path) -> Plan:
    """Read a plan such as configs/ZipWorld/results.yaml.

    Raises:
        ZipSegError: naming ``path`` and what is wrong with it.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ZipSegError(f"{path}: cannot be read ({error})") from error
    sections = {"evaluations": Evaluations, "settings": Settings, "boundaries": Boundaries}
    if not isinstance(content, Mapping) or content.keys() != sections.keys():
        raise ZipSegError(f"{path}: needs the sections {', '.join(sections)} and no others")
    try:
        plan = Plan(**{name: kind(**content[name]) for name, kind in sections.items()})
    except TypeError as error:  # says which key is missing or unknown
        raise ZipSegError(f"{path}: {error}") from error
    if not plan.evaluations.rows or not all(
        isinstance(row, list) and len(row) % 2 for row in plan.evaluations.rows.values()
    ):
        raise ZipSegError(f"{path}: evaluations.rows needs 'name: [CONFIG, KEY, VALUE, ...]' lines")
    return plan
