"""What a row's numbers rest on, code aside: config, weights, annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from ...utils.identity import file_checksum
from ...zipworld.networks.architectures import PARTS
from ...zipworld.networks.loading import CHECKSUMS

_NETWORKS = {"SEMANTIC": "ARCH", "BOUNDARY": "ARCH", "SEGMENTER": "TYPE"}


def config_inputs(cfg: CfgNode) -> dict[str, Any]:
    """The parts of a config that decide what a model finds, with checksums of its weights."""
    content = yaml.safe_load(cfg.dump())
    content["MODEL"]["ZIP"]["TEXT"].pop("CACHE_DIR")
    zip_ = cfg.MODEL.ZIP
    weights = {
        name: _weights(zip_[name].WEIGHTS, zip_[name][kind]) for name, kind in _NETWORKS.items()
    }
    return {
        "config": {key: content[key] for key in ("MODEL", "INPUT", "TEST")},
        "weights": weights | {"MODEL": _weights(cfg.MODEL.WEIGHTS, "")},
    }


def annotations_checksum(dataset: str) -> str:
    """SHA-256 of a registered data set's annotation file, which is rendered if need be."""
    DatasetCatalog.get(dataset)
    return file_checksum(Path(MetadataCatalog.get(dataset).json_file))


def _weights(weights: str, architecture: str) -> str:
    """A checksum for what lies on the disk; tags, URLs and "random" stand for themselves."""
    if weights == "embedded":
        name = PARTS["sam"] if architecture == "zipworld" else architecture
        return json.loads(CHECKSUMS.read_text())[f"{name}.safetensors"]
    path = Path(weights).expanduser()
    return file_checksum(path) if weights and path.is_file() else weights
