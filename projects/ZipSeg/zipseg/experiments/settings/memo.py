"""Zip that remembers what its networks said of an image, so that variants share them."""

from collections.abc import Callable, Sequence
from typing import Any

from detectron2.config import CfgNode
from torch import Tensor

from ...modeling.build import build_stages, naming_network
from ...modeling.networks.clip_dense import DenseTokens
from ...modeling.networks.segmenters import Encoded, Segmenter
from ...modeling.networks.weights import load_clip
from ...modeling.zip import Zip

_NETWORK_KEYS = ("SEMANTIC", "BOUNDARY", "SEGMENTER", "TEXT", "CLASS_NAMES", "AUTOCAST")


class Memo:
    """Results of networks by image and network settings."""

    def __init__(self) -> None:
        self.image = ""
        self._values: dict[tuple, Any] = {}

    def get(self, key: tuple, compute: Callable[[], Any]) -> Any:
        """The value of (current image, key), computed the first time."""
        key = (self.image, *key)
        if key not in self._values:
            self._values[key] = compute()
        return self._values[key]


def remember(segmenter: Segmenter, memo: Memo, key: tuple) -> None:
    """Makes a segmenter encode an image once for all variants."""
    encode = segmenter.encode

    def remembered(images: Sequence[Tensor]) -> list[Encoded]:
        return memo.get(key, lambda: encode(images)) if images else []

    segmenter.encode = remembered


class MemoZip(Zip):
    """One image at a time, named by ``memo.image``."""

    memo: Memo
    network_key: str
    naming_key: tuple

    def _tokens(self, images: Sequence[Tensor]) -> list[DenseTokens]:
        key = ("tokens", self.network_key)
        return self.memo.get(key, lambda: super(MemoZip, self)._tokens(images))

    def _image_embeddings(self, images: Sequence[Tensor]) -> Tensor:
        key = ("naming", self.network_key, self.naming_key)
        return self.memo.get(key, lambda: super(MemoZip, self)._image_embeddings(images))

    def _boundary_features(self, images: Sequence[Tensor]) -> list[Tensor]:
        key = ("boundary", self.network_key)
        return self.memo.get(key, lambda: super(MemoZip, self)._boundary_features(images))


class Variants:
    """Models of many configs; those with the same networks share one."""

    def __init__(self) -> None:
        self.memo = Memo()
        self._models: dict[tuple, MemoZip] = {}

    def model(self, cfg: CfgNode) -> MemoZip:
        """The model of a config, in evaluation mode; valid until the next call."""
        zip_ = cfg.MODEL.ZIP
        networks = str([zip_[name] for name in _NETWORK_KEYS])
        by_crop = zip_.SCORING.NAME_SCORE != "image"
        naming = (
            zip_.NAMING.NETWORK,
            zip_.NAMING.INPUT_SIZE,
            str(zip_.NAMING.WINDOWS),
            by_crop,
            zip_.SCORING.CROP_SIZE,
        )
        key = (networks, *naming)
        if key not in self._models:
            model = MemoZip(cfg).eval().to(cfg.MODEL.DEVICE)
            model.memo, model.network_key, model.naming_key = self.memo, networks, naming
            remember(model.segmenter, self.memo, ("segmenter", str(zip_.SEGMENTER)))
            self._models[key] = model
        model = self._models[key]
        network = naming_network(cfg)
        clip, _ = load_clip(zip_[network].ARCH, zip_[network].WEIGHTS, f"MODEL.ZIP.{network}")
        model.stages = build_stages(cfg, clip)
        return model
