"""Segment Anything (Kirillov et al., arXiv 2304.02643) by the package ``segment-anything``."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as F

from ..checkpoints import fetch_sam
from ..weights import sam_types, shipped_weights
from .contract import SEGMENTER_REGISTRY, Encoded, Segmenter


class LongestSide(ResizeLongestSide):
    """SAM's resizing, which leaves nothing of the short side of a very thin image, kept to a
    pixel."""

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        shape = ResizeLongestSide.get_preprocess_shape(oldh, oldw, long_side_length)
        return max(1, shape[0]), max(1, shape[1])


class SamFamily(Segmenter):
    """Whatever is put together as SAM is: an image encoder, a prompt encoder and a mask decoder,
    with the long side of images made the encoder's and the rest padded."""

    def __init__(self, model: Sam, prompt_batch: int = 64) -> None:
        super().__init__(model, prompt_batch)
        self._transform = LongestSide(model.image_encoder.img_size)

    @property
    def side(self) -> int:
        return self.model.image_encoder.img_size

    def encode(self, images: Sequence[Tensor]) -> list[Encoded]:
        resized = [self._resize(image) for image in images]
        if not resized:
            return []
        features = self._encode(torch.stack([self.model.preprocess(x) for x in resized]))
        return [
            Encoded(each, tuple(small.shape[-2:]), tuple(image.shape[-2:]))
            for each, small, image in zip(features, resized, images, strict=True)
        ]

    def _resize(self, image: Tensor) -> Tensor:
        """The long side made the encoder's, uint8 on the model's device."""
        if image.is_cuda:
            return self._resize_there(image)
        rgb = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        resized = torch.as_tensor(self._transform.apply_image(rgb), device=self.device)
        return resized.permute(2, 0, 1)

    def _resize_there(self, image: Tensor) -> Tensor:
        """Pillow's filter where the image is, without a wait for a copy; some values round to the
        next."""
        size = self._transform.get_preprocess_shape(*image.shape[-2:], self.side)
        resized = F.resize(image.float(), list(size), antialias=True)
        return resized.round().clamp(0, 255).to(torch.uint8)

    def _encode(self, inputs: Tensor) -> list[tuple[Tensor, ...]]:
        """The features of each of B preprocessed images [B, 3, S, S]."""
        return [(feature[None],) for feature in self.model.image_encoder(inputs)]

    def candidates(
        self, encoded: Encoded, boxes: Tensor | None, points: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        prompts = self.model.prompt_encoder
        if boxes is not None:
            boxes = self._transform.apply_boxes_torch(boxes, encoded.image_size)
        if points is not None:
            coords = self._transform.apply_coords_torch(points[:, None], encoded.image_size)
            points = (coords, torch.ones(coords.shape[:2], dtype=torch.int64, device=coords.device))
        sparse, dense = prompts(points=points, boxes=boxes, masks=None)
        return self.model.mask_decoder(
            image_embeddings=encoded.features[0].float(),
            image_pe=prompts.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            **self._more(encoded),
        )

    def _more(self, encoded: Encoded) -> dict[str, Any]:
        """What the decoder takes besides."""
        return {}

    def enlarge(self, logits: Tensor, encoded: Encoded, size: tuple[int, int]) -> Tensor:
        return self.model.postprocess_masks(logits, encoded.input_size, size)

    def mask_generator(self, **settings: Any) -> Callable[[np.ndarray], list[dict[str, Any]]]:
        return SamAutomaticMaskGenerator(self.model, **settings).generate


@SEGMENTER_REGISTRY.register()
class SegmentAnything(SamFamily):
    """SAM with the ViT encoders of its authors, ``vit_b``, ``vit_l`` and ``vit_h``, and what
    ``register_sam_type`` adds."""

    package = ("segment_anything", "pip install segment-anything")

    @classmethod
    def types(cls) -> tuple[str, ...]:
        return tuple(sam_types())

    @classmethod
    def build(cls, model_type: str) -> nn.Module:
        return sam_types()[model_type]()

    @classmethod
    def load(
        cls, model_type: str, weights: str, key: str, prompt_batch: int = 64
    ) -> "SegmentAnything":
        if weights == "auto":
            cls.check(model_type, key)
            weights = str(fetch_sam(model_type, key))
        shipped = shipped_weights(weights)
        if shipped is None:
            return super().load(model_type, weights, key, prompt_batch)
        model = shipped.sam(model_type, f"{key}.TYPE")
        return cls(model.eval().requires_grad_(False), prompt_batch)
