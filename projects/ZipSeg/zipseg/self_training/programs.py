"""The command lines that steps are made of, and how they are started on a machine."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .step import Step

PROGRAM = (sys.executable, "-m", "zipseg")  # the console command of this very environment


@dataclass(frozen=True)
class Launch:
    """How the programs run; none of it decides what they produce.

    Attributes:
        train: words before the interpreter for training and evaluation, such as ``srun ...``.
        label: likewise for labelling.
        num_gpus: of each machine, for training; None leaves it to the program.
        num_ranks: of each machine, for labelling; None likewise.
    """

    train: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    num_gpus: int | None = None
    num_ranks: int | None = None

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
        program: the words that stand before a subcommand.
    """

    output: Path
    launch: Launch = Launch()
    program: tuple[str, ...] = field(default_factory=lambda: PROGRAM)

    def argv(self, step: Step) -> list[str]:
        """The words to execute, from the current directory."""
        name, *arguments = step.command
        return [*step.launch, *self.program, name, *step.extra, *arguments]

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
        model = () if weights is None else ("MODEL.WEIGHTS", str(weights))
        where = ("--config-file", config_file, "--dataset", dataset)
        output = ("--output", str(self.folder(name)))
        return Step(
            name,
            ("label", *where, *output, *opts, *model),
            self.folder(name) / "labels.json",
            () if weights is None else (weights,),
            resolved(config_file, opts),
            self.launch.label,
            self.launch.ranks,
        )

    def train(
        self,
        name: str,
        config_file: str,
        labels: Path | str,
        opts: Sequence[str] = (),
        weights: Path | None = None,
    ) -> Step:
        """Trains on a label file, or on a registered data set given as a name; evaluation is a step
        of its own.

        Args:
            weights: a checkpoint to start from in place of the config's.
        """
        model = () if weights is None else ("MODEL.WEIGHTS", str(weights))
        data = ("DATASETS.TRAIN", repr((str(labels),)), "DATASETS.TEST", "()")
        output = ("OUTPUT_DIR", str(self.folder(name)))
        files = (labels if isinstance(labels, Path) else None, weights)
        return Step(
            name,
            (
                "train",
                "--config-file",
                config_file,
                "--resume",
                *opts,
                *data,
                *model,
                *output,
            ),
            self.folder(name) / "model_final.pth",
            tuple(file for file in files if file is not None),
            resolved(config_file, opts),
            self.launch.train,
            self.launch.gpus,
        )

    def evaluate(
        self,
        name: str,
        config_file: str,
        opts: Sequence[str] = (),
        weights: Path | None = None,
    ) -> Step:
        """Evaluates on the config's test data sets; its product is the first one's report."""
        from ..evaluation.report import REPORT_NAME

        settings = resolved(config_file, opts)
        model = () if weights is None else ("MODEL.WEIGHTS", str(weights))
        output = ("OUTPUT_DIR", str(self.folder(name)))
        return Step(
            name,
            ("train", "--eval-only", "--config-file", config_file, *opts, *model, *output),
            self.folder(name) / "inference" / settings["DATASETS"]["TEST"][0] / REPORT_NAME,
            () if weights is None else (weights,),
            settings,
            self.launch.train,
            self.launch.gpus,
        )

    def select(self, name: str, labels: Path, rules: Mapping[str, object]) -> Step:
        """Keeps the better labels of a file (``labeling.filters.Selection``)."""
        product = self.folder(name) / "labels.json"
        command = ("filter", str(labels), str(product), *flags(rules))
        return Step(name, command, product, (labels,))

    def merge(self, name: str, new: Path, previous: Path, rules: Mapping[str, object]) -> Step:
        """Merges labels with those of the round before (``merging.MergeRule``)."""
        product = self.folder(name) / "labels.json"
        command = ("merge", str(new), str(previous), str(product), *flags(rules))
        return Step(name, command, product, (new, previous))


def resolved(config_file: str, opts: Sequence[str]) -> dict:
    """A config with its bases and options merged, as JSON-ready values.

    Raises:
        ConfigError: the file or an option is unusable.
    """
    return _resolved(config_file, tuple(opts))


@functools.cache
def _resolved(config_file: str, opts: tuple[str, ...]) -> dict:
    # Imported here: a command line that is wrong should say so before PyTorch is loaded.
    import yaml

    from ..engine.setup import load_config

    return yaml.safe_load(load_config(config_file, list(opts)).dump())


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
