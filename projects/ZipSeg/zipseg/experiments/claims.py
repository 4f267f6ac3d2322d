"""The paper's claims beside what was measured, from kept rows of tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..utils.errors import ZipSegError
from ..utils.files import load_json, write_atomically
from ..utils.tables import markdown
from .tables.render import spread, value_at

_FIELDS = {"claim", "paper", "measured", "rows", "less", "at", "least", "why"}
_NEEDED = {"claim", "paper", "measured", "rows", "at", "why"}


def write_claims(declared: Path, results: Path, output: Path) -> str:
    """Writes and returns the Markdown of all claims.

    Args:
        declared: YAML, a list of ``claim``, its place in the ``paper``, what was ``measured``;
            ``rows``, kept as ``results``/NAME.json (repetitions of each other), whose number ``at``
            "segm.AP" it is, and those whose number is taken off (``less``); ``least``, what the
            number has to reach (0: more than nothing); and ``why`` it is as it is.

    Raises:
        ZipSegError: naming the file and the claim at fault.
    """
    try:
        claims = yaml.safe_load(declared.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ZipSegError(f"{declared}: cannot be read ({error})") from error
    parts = []
    for place, claim in enumerate(claims):
        if set(claim) - _FIELDS or _NEEDED - set(claim):
            raise ZipSegError(
                f"{declared}: claim {place} needs {', '.join(sorted(_NEEDED))} and has some of "
                f"{', '.join(sorted(_FIELDS))}"
            )
        parts.append(_judged(claim, results))
    head = ["claim", "measured", "number", "asked for", "held"]
    table = [
        [c["claim"], c["measured"], *cells] for c, (cells, _) in zip(claims, parts, strict=True)
    ]
    text = "\n".join(
        [
            "# The paper's claims on ZipWorld\n",
            f"Made by `tools/experiments/claims.py` from `{declared}` and the kept rows that it "
            "names. An interval is a 95 % one of a paired bootstrap over the images; ± is the "
            "sample standard deviation over seeds. A difference is held if it reaches what is "
            "asked for and its interval excludes zero; of single runs it may be.\n",
            markdown(head, table),
            *(_paragraph(c, command) for c, (_, command) in zip(claims, parts, strict=True)),
        ]
    )
    write_atomically(output, text.encode())
    return text


def _judged(claim: Mapping[str, Any], results: Path) -> tuple[list[str], str]:
    """The cells of a claim's line, and the commands its numbers come from."""
    names = [*claim["rows"], *claim.get("less", ())]
    files = {name: results / f"{name}.json" for name in names}
    command = "; ".join(dict.fromkeys(_command(name) for name in names))
    least = claim.get("least")
    asked = "" if least is None else f"at least {least:+g}" if least else "more than nothing"
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing:
        return [f"not run: {', '.join(missing)}", asked, "not measured"], command
    rows = {name: load_json(path) for name, path in files.items()}
    found = value_at(rows[names[0]], claim["at"])
    if isinstance(found, Mapping):
        value, sure = found["difference"], found["low"] > 0
        number = f"{value:+.1f} ({found['low']:+.1f} to {found['high']:+.1f})"
    else:
        own = spread((rows[name] for name in claim["rows"]), claim["at"])
        number, value, sure = str(own), own.mean, True
        if "less" in claim:
            other = spread((rows[name] for name in claim["less"]), claim["at"])
            value = own.mean - other.mean
            # Of single runs nobody knows how sure they are.
            repeated = own.count > 1 or other.count > 1
            sure = value > own.deviation + other.deviation if repeated else None
            number = f"{value:+.1f} ({own} less {other})"
    if least is None:
        return [number, asked, ""], command
    held = "no" if value < least or sure is False else "yes" if sure else "may be"
    return [number, asked, held], command


def _command(name: str) -> str:
    rows, row = name.split("/")
    return f"`zipseg tables --rows configs/experiments/{rows}.yaml --only {row}`"


def _paragraph(claim: Mapping[str, Any], command: str) -> str:
    return f"**{claim['claim']}** ({claim['paper']}) {claim['why'].strip()} Numbers: {command}.\n"
