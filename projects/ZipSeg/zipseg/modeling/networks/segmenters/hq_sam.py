"""HQ-SAM (Ke et al., arXiv 2306.01567): SAM with a token for finer masks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from .contract import SEGMENTER_REGISTRY, Encoded
from .sam import SamFamily


@SEGMENTER_REGISTRY.register()
class HQSAM(SamFamily):
    """The package ``segment-anything-hq``. Its decoder adds the fine mask to SAM's best candidate,
    whose predicted IoU it keeps, and also reads the encoder's first global attention block."""

    package = ("segment_anything_hq", "pip install 'zipseg[segmenters]'")

    @classmethod
    def types(cls) -> tuple[str, ...]:
        return ("vit_b", "vit_h", "vit_l", "vit_tiny")

    @classmethod
    def build(cls, model_type: str) -> nn.Module:
        from segment_anything_hq import sam_model_registry

        return sam_model_registry[model_type]()

    def _encode(self, inputs: Tensor) -> list[tuple[Tensor, ...]]:
        features, intermediate = self.model.image_encoder(inputs)
        early = intermediate[0]
        return [(f[None], e[None]) for f, e in zip(features, early, strict=True)]

    def _more(self, encoded: Encoded) -> dict[str, Any]:
        return {"hq_token_only": False, "interm_embeddings": [encoded.features[1].float()]}

    def mask_generator(self, **settings: Any) -> Callable[[np.ndarray], list[dict[str, Any]]]:
        from segment_anything_hq import SamAutomaticMaskGenerator

        return SamAutomaticMaskGenerator(self.model, **settings).generate
