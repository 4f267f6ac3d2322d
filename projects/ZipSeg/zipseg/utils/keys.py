"""Config keys and values that do not fit, said by their key and with the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from .errors import ConfigError

# What yacs says, which Detectron2's config nodes are made of.
_UNKNOWN = re.compile(r"Non-existent (?:config )?key: ([\w.]+)")
_MISFIT = re.compile(
    r"Type mismatch \(<class '([\w.]+)'> vs. <class '([\w.]+)'>\) with values \((.*) vs. (.*)\) "
    r"for config key: ([\w.]+)",
    re.DOTALL,
)
_MISSPELT = 0.9  # so alike are a key and its misspelling; others are another section's


def paths_of(node: Mapping, above: str = "") -> Iterator[str]:
    """The dotted paths of all keys and sections of a config."""
    for name, value in node.items():
        yield above + name
        if isinstance(value, Mapping):
            yield from paths_of(value, f"{above}{name}.")


def merge_problem(
    error: Exception, cfg: Mapping, options: Sequence[object], config_file: str = ""
) -> ConfigError:
    """What is wrong with KEY VALUE pairs or a file that could not be merged into a config.

    Args:
        error: what merging raised.
        cfg: the config, whose keys are those there are.
        options: the pairs.
        config_file: the file, if there is one.
    """
    text = str(error)
    if found := _UNKNOWN.search(text):
        key = found[1]
        problem = f"no such key; {_hint(key, cfg)}"
    elif found := _MISFIT.search(text):
        wanted, given, now, value, key = found.groups()
        problem = f"{value!r} is of type {given}, expected {wanted}, such as {now}"
        if wanted.endswith("CfgNode"):
            problem = f"is a section of keys; give {key}.KEY VALUE"
    else:
        words = " ".join(map(str, options))
        return ConfigError("--config-file", f"{config_file} {words}".strip() + f": {text}")
    if key in options[::2]:
        return ConfigError(key, problem)
    return ConfigError("--config-file", f"{config_file}: {key}: {problem}")


def _hint(key: str, cfg: Mapping) -> str:
    """The key that is meant, or else those of the section that it would be in."""
    if close := get_close_matches(key, paths_of(cfg), n=1, cutoff=_MISSPELT):
        return f"did you mean {close[0]}?"
    node, inside = cfg, []
    for part in key.split("."):
        if not isinstance(node.get(part), Mapping):
            break
        node = node[part]
        inside.append(part)
    return f"{'.'.join(inside) or 'the config'} has {', '.join(sorted(node))}"
