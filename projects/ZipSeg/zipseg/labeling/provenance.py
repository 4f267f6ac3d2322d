"""Where labels come from: all that decides their bytes, so that nothing else gets mixed in."""

import hashlib
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import torch
import yaml
from detectron2.config import CfgNode
from torch import nn

from ..utils.files import write_json
from ..utils.identity import code_checksum, commit, read_record, refuse_changes
from .sources import Source

# The folders whose code decides what is written.
_CODE = ("structures", "data", "modeling", "labeling")
_LIBRARIES = ("torch", "torchvision", "numpy", "pillow", "opencv-python", "pycocotools")


def describe(cfg: CfgNode, model: nn.Module, source: Source, command: list[str]) -> dict:
    """The provenance of labels, as JSON-ready values that are the same for every rank and restart.

    Args:
        cfg: the whole config.
        model: with its weights loaded; a checksum of each part goes in.
        source: the images' checksum is added when they are listed.
        command: the command line that repeats the run, without options of distribution and output.
    """
    return {
        "config": yaml.safe_load(cfg.dump()),
        "weights": dict(_weights(model)),
        "source": {"name": source.name, "root": source.root},
        "categories": source.categories,
        "versions": _versions(),
        "code": code_checksum(_CODE),
        "commit": commit(),
        "command": " ".join(command),
    }


def _weights(model: nn.Module) -> Iterator[tuple[str, str]]:
    parts: dict[str, hashlib._Hash] = {}
    tensors = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in sorted(tensors, key=lambda x: x[0]):
        part = parts.setdefault(name.split(".")[0], hashlib.sha256())
        part.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        part.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return ((name, digest.hexdigest()) for name, digest in parts.items())


def _versions() -> dict[str, str]:
    import detectron2

    found = {"python": platform.python_version(), "detectron2": detectron2.__version__}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # e.g. the headless variant of OpenCV
            found[name] = "unknown"
    return found


def record(path: Path, provenance: dict) -> None:
    """Keeps the provenance of a new run, or checks that a continued one still has the same.

    Raises:
        ZipSegError: it differs; the message says what and where.
        CannotWrite: the folder does not take it.
    """
    if path.exists():
        check(path, provenance)
        return
    write_json(path, provenance)


def check(path: Path, provenance: dict) -> dict:
    """The kept provenance, if everything in ``provenance`` agrees with it.

    The commit and command may differ, as long as all that decides the labels is the same.
    """
    kept = read_record(path, "choose a new --output, or delete the folder to start anew") or {}
    refuse_changes(
        f"{path.parent}: holds results of a different run:",
        kept,
        {k: v for k, v in provenance.items() if k not in ("commit", "command")},
        "Undo the change to continue that run, or choose a new --output.",
    )
    return kept
