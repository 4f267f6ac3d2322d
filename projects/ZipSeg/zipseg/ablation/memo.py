"""Zip that remembers what its networks said of an image, so that variants share them."""

from collections.abc import Callable, Sequence
from typing import Any

from detectron2.config import CfgNode
from torch import Tensor

from ..build import build_stages
from ..models.clip_surgery import SurgeryTokens
from ..models.sam import ImageEmbedding, SamSegmenter
from ..models.weights import load_clip
from ..zip import Zip

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

    def _tokens(self, images: Sequence[Tensor], size: int) -> list[SurgeryTokens]:
        key = ("tokens", self.network_key, size)
        return self.memo.get(key, lambda: super(MemoZip, self)._tokens(images, size))

    def _boundary_features(self, image: Tensor) -> Tensor:
        key = ("boundary", self.network_key)
        return self.memo.get(key, lambda: super(MemoZip, self)._boundary_features(image))


class Variants:
    """Models of many configs; those with the same networks share one."""

    def __init__(self) -> None:
        self.memo = Memo()
        self._models: dict[str, MemoZip] = {}

    def model(self, cfg: CfgNode) -> MemoZip:
        """The model of a config, in evaluation mode; valid until the next call."""
        key = str([cfg.MODEL.ZIP[name] for name in _NETWORK_KEYS])
        if key not in self._models:
            model = MemoZip(cfg).eval().to(cfg.MODEL.DEVICE)
            model.memo, model.network_key = self.memo, key
            model.segmenter.__class__ = MemoSegmenter
            model.segmenter.memo, model.segmenter.key = self.memo, ("sam", str(cfg.MODEL.ZIP.SAM))
            self._models[key] = model
        model = self._models[key]
        zip_ = cfg.MODEL.ZIP
        clip, _ = load_clip(zip_.SEMANTIC.ARCH, zip_.SEMANTIC.WEIGHTS, "MODEL.ZIP.SEMANTIC")
        model.stages = build_stages(cfg, clip)
        model.naming_size = zip_.NAMING.INPUT_SIZE
        return model
