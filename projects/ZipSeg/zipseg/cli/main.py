"""From the words of a command line to a subcommand's exit code."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module

from .. import __version__, require_detectron2
from ..utils.errors import ZipSegError, run_or_explain
from .arguments import check_pairs
from .grammar import Parser, parse

# In the order in which a newcomer meets them.
COMMANDS = {
    "demo": "run the method on small drawn scenes, beside SAM alone",
    "predict": "find the named things in your images",
    "download": "fetch the weights that a config needs, or say which are missing",
    "label": "label a folder or data set, resumable, on any number of processes",
    "report": "one page to look at about a labelling run",
    "filter": "keep the better labels of a file",
    "merge": "merge a detector's labels with those it was trained on",
    "splits": "small nested parts of an annotation file, to train on few labels",
    "train": "train a detector, or evaluate any model with --eval-only",
    "self-train": "label, train, label again: rounds of self-training",
    "evaluate": "average precision of a file of predictions",
    "compare": "evaluations side by side, with intervals",
    "lost": "which stage of the method loses which objects",
    "probe": "which features tell touching objects apart",
    "tables": "run and record the tables of experiments",
    "install-detectron2": "install detectron2, which is not on the package index",
}
RUN_MODELS = ("demo", "predict", "download", "label", "train", "self-train", "lost", "probe")
USAGE = "usage: zipseg COMMAND ...    (zipseg COMMAND --help explains each)"


def main(words: Sequence[str] | None = None) -> int:
    """Runs ``zipseg`` with these words, by default those of the command line.

    Returns:
        The exit code: 0 done, 2 something to mend first, others as the subcommands say.
    """
    words = list(sys.argv[1:] if words is None else words)
    name = words[0] if words else "--help"
    if name in ("-h", "--help"):
        width = max(map(len, COMMANDS)) + 2
        print(USAGE, "", *(f"  {c:<{width}}{text}" for c, text in COMMANDS.items()), sep="\n")
        return 0 if words else 2
    if name in ("-V", "--version"):
        print(f"zipseg {__version__}")
        return 0
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(COMMANDS)}"
        print(f"zipseg: no command '{name}'; {hint}", file=sys.stderr)
        return 2
    module = import_module(f".{name.replace('-', '_')}", __package__)
    parser = Parser(f"zipseg {name}", module.__doc__, getattr(module, "PAIRS", None))
    module.add_arguments(parser)
    args = parse(parser, words[1:])
    quieten_dependencies()
    with run_or_explain():
        check_pairs(getattr(args, "opts", ()))
        module.check(args)
        if name in RUN_MODELS:
            check_detectron2()
        show_progress()
        return module.run(args) or 0
    return 0


def door(name: str) -> Callable[[Sequence[str] | None], int]:
    """``main`` of a script that is one subcommand."""

    def entry(words: Sequence[str] | None = None) -> int:
        return main([name, *(sys.argv[1:] if words is None else words)])

    return entry


def check_detectron2() -> None:
    """Raises ZipSegError where there is no detectron2, without importing it."""
    try:
        require_detectron2()
    except ImportError as error:
        raise ZipSegError(str(error)) from error


def show_progress() -> None:
    """What ``zipseg`` logs goes to the terminal's error stream, one line each with the time."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("zipseg").setLevel(logging.INFO)


def quieten_dependencies() -> None:
    """Python's warnings are for developers: users see none unless they ask (-W, PYTHONWARNINGS),
    in this process and those it starts. What a user should know is logged."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")
