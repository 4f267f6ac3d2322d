"""One file for each finished row, found again only while its inputs are the same."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ...utils.files import load_json, write_json
from ...utils.identity import commit, value_checksum

_LIBRARIES = ("torch", "torchvision", "open_clip_torch", "numpy", "opencv-python")


class RowStore:
    """The finished rows of a folder.

    Args:
        folder: holds ``<table>/<name>.json``; made when the first row is kept.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def get(self, table: str, name: str, inputs: Mapping[str, Any]) -> dict | None:
        """The row, or None if it is not there or was measured from other inputs.

        Raises:
            ZipSegError: naming the file, if it is damaged.
        """
        path = self._path(table, name)
        row = load_json(path) if path.exists() else None
        same = isinstance(row, dict) and row.get("digest") == value_checksum(dict(inputs))
        return row if same else None

    def keep(
        self, table: str, name: str, inputs: Mapping[str, Any], command: str, result: Mapping
    ) -> None:
        """Write a finished row with where it comes from."""
        row = {
            "table": table,
            "name": name,
            "command": command,
            "commit": commit(),
            "machine": machine(),
            "versions": {library: metadata.version(library) for library in _LIBRARIES},
            "digest": value_checksum(dict(inputs)),
            "inputs": dict(inputs),
            "result": dict(result),
        }
        write_json(self._path(table, name), row)

    def _path(self, table: str, name: str) -> Path:
        return self.folder / table / f"{file_name(name)}.json"


def file_name(name: str) -> str:
    """A row's name as a file's; names that differ in signs only ("k = 8", "k < 8") differ too."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def machine() -> str:
    """The kind of processor, its cores and the threads in use; no name of any host."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
