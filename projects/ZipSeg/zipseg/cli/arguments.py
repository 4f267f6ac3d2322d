"""Arguments that several subcommands have, and the checks that need no heavy import."""

from __future__ import annotations

import argparse
import glob
import logging
from collections.abc import Sequence
from pathlib import Path

from ..config import add_own_keys
from ..utils.config_files import get_config_file
from ..utils.errors import ConfigError, ImageError, ZipSegError
from ..utils.keys import merge_problem

# The sections that are ZipSeg's alone; what else there is only Detectron2 knows, which is slow.
_OWN = ("MODEL.ZIP.", "MODEL.SAM_ALONE.", "EVALUATION.", "TRAINING.")


def add_config(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """``--config-file``: a path, or the relative name of one that ships."""
    parser.add_argument(
        "--config-file",
        required=required,
        metavar="FILE",
        help="a path, or one that ships by its name, such as COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml",
    )


def add_images(parser: argparse.ArgumentParser, nargs: str = "+") -> None:
    """Images: files, folders and globs."""
    parser.add_argument(
        "images", nargs=nargs, metavar="IMAGE", help="image files, folders or quoted globs"
    )


def check_config(config_file: str) -> str:
    """The path of the config; raises ConfigError unless it and all its bases are there."""
    path = found = get_config_file(config_file)
    for _ in range(10):  # bases of bases
        base = _base(path)
        if base is None:
            return found
        below = Path(path).parent / base
        if not base.startswith(("http://", "https://", "detectron2://")) and not below.is_file():
            raise ConfigError("--config-file", f"{path}: its _BASE_ '{below}' does not exist")
        path = str(below)
    raise ConfigError("--config-file", f"{found}: its _BASE_ leads to itself")


def _base(path: str) -> str | None:
    """The ``_BASE_`` of a config file, by its line: the file is read as YAML later on."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("--config-file", f"{path}: cannot be read ({error})") from error
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip("\"' ") == "_BASE_" and not line[:1].isspace():
            return value.split(" #")[0].strip().strip("\"'")
    return None


def check_pairs(options: Sequence[str]) -> None:
    """Raises ConfigError for a KEY VALUE pair of ZipSeg's own that does not fit."""
    pairs = zip(options[::2], options[1::2], strict=False)
    own = [word for pair in pairs if f"{pair[0]}.".startswith(_OWN) for word in pair]
    if not own:
        return
    from yacs.config import CfgNode

    logging.getLogger("yacs").setLevel(logging.CRITICAL)  # it says itself what it raises
    cfg = CfgNode({"MODEL": CfgNode(), "INPUT": CfgNode()})
    add_own_keys(cfg)
    try:
        cfg.merge_from_list(own)
    except Exception as error:  # KeyError, AssertionError, ValueError
        raise merge_problem(error, cfg, own) from error


def check_images(words: list[str]) -> None:
    """Raises ImageError for a word that is no file, folder or glob with a match."""
    for word in words:
        if not Path(word).expanduser().exists() and not glob.glob(word, recursive=True):
            raise ImageError(f"{word}: no such file or folder")


def check_file(path: str | Path | None, what: str = "") -> None:
    """Raises ZipSegError unless the file is there; None is none to look for."""
    if path is not None and not Path(path).is_file():
        kind = "a folder" if Path(path).is_dir() else "no such file"
        raise ZipSegError(f"{path}: {kind}{f'; expected {what}' if what else ''}")


def check_names(text: str | None) -> None:
    """Raises ZipSegError for what is meant as a file of names and is not there."""
    if text and text.endswith((".txt", ".yaml", ".yml", ".json")):
        path = Path(text).expanduser()
        if not path.is_file():
            raise ZipSegError(f"--names {text}: no such file")


def check_output_folder(path: str | Path, key: str = "--output") -> None:
    """Raises ZipSegError if the folder to write, which ``key`` names, cannot be one."""
    for each in (Path(path), *Path(path).parents):
        if each.exists():
            if not each.is_dir():
                raise ZipSegError(f"{key} {path}: {each} is a file; name a folder")
            return


def check_output_file(path: str | Path, sources: list[str | Path]) -> None:
    """Raises ZipSegError if the file to write is a folder or one of those that are read."""
    path = Path(path)
    if path.is_dir():
        raise ZipSegError(f"{path}: is a folder; name the file to write")
    if path.exists() and any(Path(s).exists() and path.samefile(s) for s in sources):
        raise ZipSegError(
            f"{path}: is read and would be overwritten; name another file, or give --overwrite"
        )
    check_output_folder(path.parent)
