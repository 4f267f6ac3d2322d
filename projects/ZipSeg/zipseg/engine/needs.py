"""The weights that a config needs: which are there, and fetching the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import open_clip
from detectron2.config import CfgNode
from detectron2.utils.file_io import Detectron2Handler, PathManager
from iopath.common.file_io import get_cache_dir

from ..modeling.networks.checkpoints import fetch_sam, sam_checkpoint
from ..modeling.networks.clip_files import fetch_clip, find_clip
from ..modeling.networks.weights import is_shipped, local_file, remote_file
from ..utils.download import RemoteFile, cache_folder, is_complete
from ..utils.errors import ConfigError
from .inference import training_free

_WEB = ("http://", "https://")


class Need(NamedTuple):
    """One set of weights.

    Attributes:
        name: the config key and its value.
        source: where they come from, for the user.
        find: the local path, None where they are missing; never uses the network.
        fetch: the local path, downloaded if need be; raises ConfigError.
    """

    name: str
    source: str
    find: Callable[[], str | None]
    fetch: Callable[[], str]


def needed_weights(cfg: CfgNode) -> Iterator[Need]:
    """All weights of the config's model that do not ship with the package.

    Raises:
        ConfigError: weights that nobody knows.
    """
    zip_ = cfg.MODEL.ZIP
    if training_free(cfg) or cfg.MODEL.META_ARCHITECTURE == "PromptedRCNN":
        yield from _segmenter(zip_.SEGMENTER)
    if training_free(cfg):
        yield from _clip(zip_.SEMANTIC, "MODEL.ZIP.SEMANTIC")
    if cfg.MODEL.META_ARCHITECTURE == "Zip" or "clip" in cfg.MODEL.BACKBONE.NAME.lower():
        yield from _clip(zip_.BOUNDARY, "MODEL.ZIP.BOUNDARY")
    if cfg.MODEL.WEIGHTS:
        yield _detector(cfg.MODEL.WEIGHTS)


def _segmenter(section: CfgNode) -> Iterator[Need]:
    key, model_type, weights = "MODEL.ZIP.SEGMENTER", section.TYPE, section.WEIGHTS
    name = f"{key}.WEIGHTS {weights} ({model_type})"
    if weights == "auto" and section.NAME == "SegmentAnything":
        remote = sam_checkpoint(model_type, key)
        find = partial(_cached, remote)
        yield Need(name, remote.url, find, lambda: str(fetch_sam(model_type, key)))
    else:
        yield from _given(weights, f"{key}.WEIGHTS", name)


def _clip(section: CfgNode, key: str) -> Iterator[Need]:
    arch, weights = section.ARCH, section.WEIGHTS
    name = f"{key}.WEIGHTS {weights} ({arch})"
    if weights in open_clip.list_pretrained_tags_by_model(arch):
        known = open_clip.get_pretrained_cfg(arch, weights)
        source = known.get("hf_hub") or known.get("url") or "open_clip"
        find = partial(find_clip, arch, weights)
        yield Need(name, source.rstrip("/"), find, partial(fetch_clip, arch, weights, key))
    else:
        yield from _given(weights, f"{key}.WEIGHTS", name)


def _given(weights: str, key: str, name: str) -> Iterator[Need]:
    """A file or an address; nothing for what ships or is random."""
    if weights == "random" or is_shipped(weights):
        return
    fetch = partial(local_file, weights, key, "a known name")
    if weights.startswith(_WEB):
        yield Need(name, weights, partial(_cached, remote_file(weights)), fetch)
    else:
        path = Path(weights).expanduser()
        yield Need(name, weights, lambda: str(path) if path.is_file() else None, fetch)


def _cached(remote: RemoteFile) -> str | None:
    path = cache_folder("weights") / remote.name
    return str(path) if is_complete(remote, path, checksum=True) else None


def _detector(weights: str) -> Need:
    """Weights by Detectron2's own names, addresses and paths."""

    def fetch() -> str:
        try:
            return PathManager.get_local_path(weights)
        except Exception as error:  # path handlers raise whatever their transport raises
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                "MODEL.WEIGHTS", f"'{weights}' could not be fetched ({reason})"
            ) from error

    def find() -> str | None:
        if "://" not in weights:
            path = Path(weights).expanduser()
        else:
            url = weights.replace(Detectron2Handler.PREFIX, Detectron2Handler.S3_DETECTRON2_PREFIX)
            path = Path(get_cache_dir()) / urlsplit(url).path.lstrip("/")
        return str(path) if path.is_file() else None

    return Need(f"MODEL.WEIGHTS {weights}", weights, find, fetch)
