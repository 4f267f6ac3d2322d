"""The command lines that steps are made of, and how they are started on a machine."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..utils.errors import ConfigError
from ..utils.files import load_json
from .settings import read_settings
from .step import Step

PROGRAM = (sys.executable, "-m", "zipseg")  # the console command of this very environment
REPORT = "evaluation.json"  # evaluation.report.REPORT_NAME, which takes a second to import


@dataclass(frozen=True)
class Launch:
    """How the programs run; none of it decides what they produce.

    Attributes:
        train: words before the interpreter for training and evaluation, such as ``srun ...``.
        label: likewise for labelling.
        num_gpus: of each machine, for training; None leaves it to the program.
        num_ranks: of each machine, for labelling; None likewise.
        device: for MODEL.DEVICE in place of the configs'; None leaves it to them.
    """

    train: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    num_gpus: int | None = None
    num_ranks: int | None = None
    device: str | None = None

    @property
    def gpus(self) -> tuple[str, ...]:
        return () if self.num_gpus is None else ("--num-gpus", str(self.num_gpus))

    @property
    def ranks(self) -> tuple[str, ...]:
        return () if self.num_ranks is None else ("--num-ranks", str(self.num_ranks))


@dataclass(frozen=True)
class Programs:
    """Makes steps of the console command's subcommands.

    Attributes:
        output: the folder that all steps' folders are in.
        launch: how they run.
        inputs: what decides the outcomes besides the configs, JSON-ready; part of every step's
            settings.
        program: the words that stand before a subcommand.
    """

    output: Path
    launch: Launch = Launch()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    program: tuple[str, ...] = field(default_factory=lambda: PROGRAM)

    def argv(self, step: Step) -> list[str]:
        """The words to execute, from the current directory."""
        name, *arguments = step.command
        device = ()
        if self.launch.device and step.config:
            device = ("MODEL.DEVICE", self.launch.device)
        return [*step.launch, *self.program, name, *step.extra, *arguments, *device]

    def shown(self, step: Step) -> str:
        """The command line to type."""
        words = self.argv(step)
        at = len(step.launch)
        return shlex.join([*words[:at], "zipseg", *words[at + len(self.program) :]])

    def folder(self, name: str) -> Path:
        return self.output / name

    def label(
        self,
        name: str,
        config_file: str,
        dataset: str,
        opts: Sequence[str] = (),
        weights: Path | None = None,
    ) -> Step:
        """Labels a registered data set; its product is the COCO-format file."""
        words = ("--dataset", dataset, "--output", str(self.folder(name)), *opts, *_model(weights))
        return self._of_config(
            *(name, "label", config_file, opts, words, self.folder(name) / "labels.json"),
            needs=(weights,),
            launch=self.launch.label,
            extra=self.launch.ranks,
        )

    def train(
        self,
        name: str,
        config_file: str,
        labels: Path | None,
        opts: Sequence[str] = (),
        weights: Path | None = None,
        share: tuple[float, int] | None = None,
    ) -> Step:
        """Trains a detector; evaluation is a step of its own.

        Args:
            labels: a COCO-format file to train on; None for the config's own.
            weights: a checkpoint to start from in place of the config's.
            share: percent of the labels and the seed of their choice; None for all.
        """
        part = ()
        if share is not None:
            part = ("--percent", f"{share[0]:g}", "--split-seed", str(share[1]))
        data = () if labels is None else ("DATASETS.TRAIN", repr((str(labels),)))
        output = ("DATASETS.TEST", "()", "OUTPUT_DIR", str(self.folder(name)))
        words = ("--resume", *part, *opts, *data, *_model(weights), *output)
        return self._of_config(
            *(name, "train", config_file, opts, words, self.folder(name) / "model_final.pth"),
            needs=(labels, weights),
            launch=self.launch.train,
            extra=self.launch.gpus,
        )

    def evaluate(
        self,
        name: str,
        config_file: str,
        opts: Sequence[str] = (),
        weights: Path | None = None,
    ) -> Step:
        """Evaluates on the config's test data sets; its product is the first one's report.

        Raises:
            ConfigError: the config names no data set to evaluate on.
        """
        datasets = read_settings(config_file, opts).get("DATASETS", {}).get("TEST")
        if not datasets:
            raise ConfigError("DATASETS.TEST", f"{config_file} names no data set to evaluate on")
        words = ("--eval-only", *opts, *_model(weights), "OUTPUT_DIR", str(self.folder(name)))
        product = self.folder(name) / "inference" / datasets[0] / REPORT
        return self._of_config(
            *(name, "train", config_file, opts, words, product),
            needs=(weights,),
            measured=read_evaluations,
            launch=self.launch.train,
            extra=self.launch.gpus,
        )

    def select(self, name: str, labels: Path, rules: Mapping[str, object]) -> Step:
        """Keeps the better labels of a file (``labeling.filters.Selection``)."""
        product = self.folder(name) / "labels.json"
        command = ("filter", str(labels), str(product), *flags(rules))
        return Step(name, command, product, (labels,))

    def merge(self, name: str, new: Path, previous: Path, rules: Mapping[str, object]) -> Step:
        """Merges labels with those of the round before (``rule.MergeRule``)."""
        product = self.folder(name) / "labels.json"
        command = ("merge", str(new), str(previous), str(product), *flags(rules))
        return Step(name, command, product, (new, previous))

    def _of_config(
        self,
        name: str,
        subcommand: str,
        config_file: str,
        opts: Sequence[str],
        words: Sequence[str],
        product: Path,
        needs: Sequence[Path | None],
        **more: Any,
    ) -> Step:
        """A step whose outcome a config decides, besides ``inputs``."""
        settings = read_settings(config_file, opts) | dict(self.inputs)
        command = (subcommand, "--config-file", config_file, *words)
        read = tuple(file for file in needs if file is not None)
        config = (config_file, tuple(opts))
        return Step(name, command, product, read, settings, config, **more)


def check_configs(steps: Iterable[Step]) -> None:
    """Looks at every key and value of the steps' configs before the first of them runs.

    Raises:
        ConfigError: a key that is not there or a value that does not fit.
    """
    from ..engine.setup import load_config  # PyTorch takes seconds

    for config_file, opts in dict.fromkeys(step.config for step in steps if step.config):
        load_config(config_file, list(opts))


def read_evaluations(product: Path) -> dict:
    """The metrics of all data sets beside that of a report: data set -> task -> metric -> percent
    or None."""
    reports = sorted(product.parent.parent.glob(f"*/{REPORT}"))
    return {path.parent.name: load_json(path)["results"] for path in reports}


def _model(weights: Path | None) -> tuple[str, ...]:
    return () if weights is None else ("MODEL.WEIGHTS", str(weights))


def flags(rules: Mapping[str, object]) -> tuple[str, ...]:
    """``--some-key value`` for every value; True is the bare flag, None and False are left out."""
    words: list[str] = []
    for key, value in rules.items():
        if value is None or value is False:
            continue
        words.append("--" + key.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return tuple(words)
