"""Zip that remembers what its networks said of an image, so that variants share them."""

from collections.abc import Callable, Sequence
from typing import Any

from detectron2.config import CfgNode
from torch import Tensor

from ...modeling.build import build_stages, classifying_network
from ...modeling.networks.clip_surgery import SurgeryTokens
from ...modeling.networks.segmenters import ImageEmbedding, SamSegmenter
from ...modeling.networks.weights import load_clip
from ...modeling.zip import Zip

_NETWORK_KEYS = ("SEMANTIC", "BOUNDARY", "SAM", "TEXT", "CLASS_NAMES", "AUTOCAST")


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


class MemoSegmenter(SamSegmenter):
    """Encodes an image once for all variants."""

    memo: Memo
    key: tuple

    def embed(self, images: Sequence[Tensor]) -> list[ImageEmbedding]:
        if not images:
            return []
        return self.memo.get(self.key, lambda: super(MemoSegmenter, self).embed(images))


class MemoZip(Zip):
    """One image at a time, named by ``memo.image``."""

    memo: Memo
    network_key: str
    classifier_key: tuple

    def _tokens(self, images: Sequence[Tensor]) -> list[SurgeryTokens]:
        key = ("tokens", self.network_key)
        return self.memo.get(key, lambda: super(MemoZip, self)._tokens(images))

    def _image_embeddings(self, images: Sequence[Tensor]) -> Tensor:
        key = ("classifier", self.network_key, self.classifier_key)
        return self.memo.get(key, lambda: super(MemoZip, self)._image_embeddings(images))

    def _boundary_features(self, image: Tensor) -> Tensor:
        key = ("boundary", self.network_key)
        return self.memo.get(key, lambda: super(MemoZip, self)._boundary_features(image))


class Variants:
    """Models of many configs; those with the same networks share one."""

    def __init__(self) -> None:
        self.memo = Memo()
        self._models: dict[tuple, MemoZip] = {}

    def model(self, cfg: CfgNode) -> MemoZip:
        """The model of a config, in evaluation mode; valid until the next call."""
        zip_ = cfg.MODEL.ZIP
        networks = str([zip_[name] for name in _NETWORK_KEYS])
        by_crop = zip_.SCORING.CATEGORY_SCORE != "image"
        classifier = (
            zip_.CLASSIFICATION.NETWORK,
            zip_.CLASSIFICATION.INPUT_SIZE,
            str(zip_.CLASSIFICATION.WINDOWS),
            by_crop,
            zip_.SCORING.CROP_SIZE,
        )
        key = (networks, *classifier)
        if key not in self._models:
            model = MemoZip(cfg).eval().to(cfg.MODEL.DEVICE)
            model.memo, model.network_key, model.classifier_key = self.memo, networks, classifier
            model.segmenter.__class__ = MemoSegmenter
            model.segmenter.memo, model.segmenter.key = self.memo, ("sam", str(cfg.MODEL.ZIP.SAM))
            self._models[key] = model
        model = self._models[key]
        network = classifying_network(cfg)
        clip, _ = load_clip(zip_[network].ARCH, zip_[network].WEIGHTS, f"MODEL.ZIP.{network}")
        model.stages = build_stages(cfg, clip)
        return model
