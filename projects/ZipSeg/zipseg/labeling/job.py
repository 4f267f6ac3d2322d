"""A labelling run as a value that any process can carry out: config, model, images, output."""

import importlib
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import torch
from detectron2.config import CfgNode

from ..engine.inference import load_model, warn_of_small_networks
from ..engine.setup import load_config
from ..visualization.report import write_report
from .assembly import is_merged
from .errors import Rules
from .labeler import Labeler
from .provenance import describe
from .runner import label_source
from .sources import Source, dataset_source, images_source, use_vocabulary


@dataclass(frozen=True)
class LabelJob:
    """What the command line asked for; picklable, the same in every process.

    Either ``dataset``, or ``images`` and ``names``.
    """

    config_file: str
    output: str
    dataset: str = ""
    images: tuple[str, ...] = ()  # files, folders and globs
    names: str = ""
    opts: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)
    # Of each CPU rank. Sums, and so the last digits of the labels, depend on it, hence it is fixed
    # for a run and not what the number of ranks leaves.
    threads: int = 1
    report: bool = False  # write one when the labels are complete
    # Modules that register data sets, weights and architectures; every process imports them.
    modules: tuple[str, ...] = ()

    def source(self) -> Source:
        """The images and the vocabulary; raises ZipSegError for what cannot be used."""
        self._register()
        if self.dataset:
            return dataset_source(self.dataset)
        return images_source(self.images, self.names)

    def config(self) -> CfgNode:
        """The config, on the CPU where there is no GPU.

        Raises:
            ConfigError: the file or an option is unusable.
        """
        self._register()
        return load_config(self.config_file, list(self.opts))

    def _register(self) -> None:
        for module in self.modules:
            importlib.import_module(module)

    def command(self) -> list[str]:
        """The command line that repeats the labels, whatever the number of processes."""
        what = ["--dataset", self.dataset]
        if self.images:
            what = [*self.images, "--names", self.names]
        start = ["zipseg", "label", "--config-file", self.config_file]
        more = ["--threads", str(self.threads), "--output", "OUT", *self.opts]
        return [shlex.quote(word) for word in [*start, *what, *more]]

    def __call__(self, quiet: bool) -> int:
        """Takes part in the run; see ``label_source``."""
        cfg, source = self.config(), self.source()
        use_vocabulary(cfg, source)
        on_cpu = cfg.MODEL.DEVICE == "cpu"
        if on_cpu:
            torch.set_num_threads(self.threads)
        if self.images and not quiet:
            warn_of_small_networks(cfg)
        model = load_model(cfg)
        provenance = describe(cfg, model, source, self.command())
        provenance["threads"] = self.threads if on_cpu else None
        labeler = Labeler(cfg, model, source.categories)
        output = Path(self.output)
        code = label_source(labeler, source, provenance, output, self.rules, quiet)
        if self.report and code == 0 and is_merged(output):
            write_report(output)
        return code
