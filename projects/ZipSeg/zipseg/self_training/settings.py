"""What a config file and KEY VALUE options ask for, read without importing Detectron2.

A plan is printed and a changed request refused in a second; whether the keys exist is checked with
Detectron2's own config before the first command runs.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ..utils.config_files import get_config_file
from ..utils.errors import ConfigError


def read_settings(config_file: str, opts: Sequence[str] = ()) -> dict[str, Any]:
    """A config with its bases and options merged, as JSON-ready values; defaults are left out.

    Raises:
        ConfigError: a file that is not there or no YAML of sections, or an option without a value.
    """
    settings = _with_bases(Path(get_config_file(config_file)))
    if len(opts) % 2:
        raise ConfigError(
            "--config-file", f"{config_file}: KEY VALUE options, but {opts[-1]} alone"
        )
    for key, value in zip(opts[::2], opts[1::2], strict=True):
        nested: Any = _plain(value)
        for part in reversed(key.split(".")):
            nested = {part: nested}
        settings = _merged(settings, nested)
    return settings


@functools.cache
def _with_bases(path: Path, depth: int = 0) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is built
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError("--config-file", f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or depth > 10:
        raise ConfigError("--config-file", f"{path}: holds no sections, or is its own _BASE_")
    base = content.pop("_BASE_", None)
    content = _plain(content)
    if base is None:
        return content
    return _merged(_with_bases(path.parent / Path(base).expanduser(), depth + 1), content)


def _plain(value: Any) -> Any:
    """Strings that are Python literals become their values, as Detectron2's configs take them."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return value
    return list(map(_plain, value)) if isinstance(value, (list, tuple)) else value


def _merged(first: dict, second: dict) -> dict:
    """``first`` with the values of ``second`` in place of its own, section by section."""
    merged = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
