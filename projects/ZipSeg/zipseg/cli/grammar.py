"""The one grammar of all subcommands: options, then KEY VALUE pairs at the end."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

# The first part of every config key: words like IMG_1234.JPG are not keys.
_SECTIONS = (
    *("CUDNN_BENCHMARK", "DATALOADER", "DATASETS", "EVALUATION", "FLOAT32_PRECISION", "GLOBAL"),
    *("INPUT", "MODEL", "OUTPUT_DIR", "SEED", "SOLVER", "TEST", "TRAINING", "VERSION"),
    "VIS_PERIOD",
)
_KEY = re.compile(rf"({'|'.join(_SECTIONS)})(\.[A-Z0-9_]+)*")


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose errors are short and name the likeliest option.

    Args:
        prog: the command's name.
        text: its description, as it stands in the source.
        pairs: what KEY VALUE pairs at the end change; None where there are none.
    """

    def __init__(self, prog: str, text: str, pairs: str | None = None) -> None:
        epilog = None
        if pairs:
            epilog = (
                f"KEY VALUE pairs at the end change {pairs}, such as MODEL.DEVICE cpu. Every key "
                "is explained in zipseg/config.py."
            )
        super().__init__(
            prog=prog,
            description=text,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.takes_pairs = pairs is not None

    def format_usage(self) -> str:
        usage = super().format_usage()
        return usage.rstrip("\n") + " [KEY VALUE ...]\n" if self.takes_pairs else usage

    def format_help(self) -> str:
        plain = super().format_usage()
        return super().format_help().replace(plain, self.format_usage(), 1)

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}\n'{self.prog} --help' shows how", file=sys.stderr)
        sys.exit(2)

    def options(self) -> list[str]:
        """All options, such as ``--output``."""
        return [word for action in self._actions for word in action.option_strings]


def parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """The arguments, with ``opts``, the list of KEY VALUE pairs, where the command takes them.

    Ends the program with exit code 2 and one line about what is wrong.
    """
    words, opts = _split(parser, list(words)) if parser.takes_pairs else (list(words), [])
    known = parser.options()
    for word in words[: words.index("--")] if "--" in words else words:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in known:
            close = get_close_matches(option, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {' '.join(known)}"
            parser.error(f"no option {option}; {hint}")
    args = parser.parse_intermixed_args(words)
    if parser.takes_pairs:
        args.opts = opts
    return args


def is_key(word: str) -> bool:
    """Whether a word is a config key rather than a file."""
    return _KEY.fullmatch(word) is not None and not Path(word).exists()


def _split(parser: Parser, words: list[str]) -> tuple[list[str], list[str]]:
    """The words before the KEY VALUE pairs, and these."""
    start = len(words)
    while start >= 2 and is_key(words[start - 2]):
        start -= 2
    stray = [
        w for i, w in enumerate(words[:start]) if is_key(w) and not _is_value(parser, words, i)
    ]
    if stray and stray[0] == words[-1]:
        parser.error(f"{stray[0]} has no value")
    if stray:
        parser.error(
            f"{stray[0]}: KEY VALUE pairs come last, a value that has spaces or parentheses in "
            "quotes"
        )
    return words[:start], words[start:]


def _is_value(parser: Parser, words: list[str], index: int) -> bool:
    """Whether the word follows an option that takes a value."""
    before = words[index - 1] if index else ""
    return any(before in a.option_strings and a.nargs != 0 for a in parser._actions)
