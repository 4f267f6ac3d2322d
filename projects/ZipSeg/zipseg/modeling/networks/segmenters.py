"""Segment Anything: one embedding an image, many prompts in batches, the best candidate of each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor, nn

from ...structures import Masks, Proposals

PIXELS_AT_ONCE = 2**26  # of enlarged logits, 256 MiB


class ImageEmbedding(NamedTuple):
    """What the image encoder leaves of one image."""

    feature: Tensor  # float [1, C, h, w]
    input_size: tuple[int, int]  # (height, width) of the resized image before padding
    image_size: tuple[int, int]  # (height, width) of the image


class LongestSide(ResizeLongestSide):
    """SAM's resizing, which leaves nothing of the short side of a very thin image, kept to a
    pixel."""

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        shape = ResizeLongestSide.get_preprocess_shape(oldh, oldw, long_side_length)
        return max(1, shape[0]), max(1, shape[1])


class SamSegmenter(nn.Module):
    """Masks for proposals, with the arithmetic of ``segment_anything.SamPredictor``.

    Under autocast the image encoder alone runs in reduced precision: the prompts are coordinates,
    which it would move by pixels.

    Args:
        sam: the model.
        prompt_batch: prompts decoded at once.
        use_points: prompt with each object's point besides its box.
    """

    def __init__(self, sam: Sam, prompt_batch: int = 64, use_points: bool = False) -> None:
        super().__init__()
        self.sam = sam
        self.prompt_batch = prompt_batch
        self.use_points = use_points
        self._transform = LongestSide(sam.image_encoder.img_size)

    def forward(
        self,
        images: Sequence[Tensor],
        proposals: Sequence[Proposals],
        output_sizes: Sequence[tuple[int, int]],
    ) -> list[Masks]:
        """Masks of every image's proposals; images without proposals are never encoded.

        Args:
            images: RGB, uint8 [3, H, W], any sizes.
            proposals: of each image, in its pixels.
            output_sizes: (height, width) of each image's masks.
        """
        found = [image for image, each in zip(images, proposals, strict=True) if len(each.box)]
        embeddings = iter(self.embed(found))
        return [
            self.segment(next(embeddings), each, size) if len(each.box) else self._no_masks(size)
            for each, size in zip(proposals, output_sizes, strict=True)
        ]

    def embed(self, images: Sequence[Tensor]) -> list[ImageEmbedding]:
        """Runs the image encoder once over RGB images, uint8 [3, H, W] of any sizes."""
        resized = [self._resize(image) for image in images]
        if not resized:
            return []
        features = self.sam.image_encoder(torch.stack([self.sam.preprocess(x) for x in resized]))
        return [
            ImageEmbedding(feature[None], tuple(small.shape[-2:]), tuple(image.shape[-2:]))
            for feature, small, image in zip(features, resized, images, strict=True)
        ]

    def _resize(self, image: Tensor) -> Tensor:
        rgb = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
        resized = torch.as_tensor(self._transform.apply_image(rgb), device=self.sam.device)
        return resized.permute(2, 0, 1)

    def segment(
        self, embedding: ImageEmbedding, proposals: Proposals, output_size: tuple[int, int]
    ) -> Masks:
        """The candidate with the highest predicted IoU for each object.

        Args:
            embedding: of the image.
            proposals: N > 0 proposals in pixels of the image.
            output_size: (height, width) of the masks.
        """
        mask = proposals.box.new_empty((len(proposals.box), *output_size), dtype=torch.bool)
        ious = []
        for start in range(0, len(mask), self.prompt_batch):
            chunk = slice(start, start + self.prompt_batch)
            with torch.autocast(mask.device.type, enabled=False):
                low_res, iou = self._decode(embedding, proposals.box[chunk], proposals.point[chunk])
                self._enlarge(low_res, embedding.input_size, mask[chunk])
            ious.append(iou)
        return Masks(mask, torch.cat(ious).clamp(0, 1))

    def _enlarge(self, low_res: Tensor, input_size: tuple[int, int], out: Tensor) -> None:
        """Fills ``out`` [n, H, W] with the masks, a few at a time where they are large."""
        size = tuple(out.shape[-2:])
        at_once = max(1, PIXELS_AT_ONCE // (size[0] * size[1]))
        for few, masks in zip(low_res.split(at_once), out.split(at_once), strict=True):
            logits = self.sam.postprocess_masks(few, input_size, size)
            torch.gt(logits[:, 0], self.sam.mask_threshold, out=masks)

    def _no_masks(self, size: tuple[int, int]) -> Masks:
        device = self.sam.device
        return Masks(
            torch.zeros((0, *size), dtype=torch.bool, device=device), torch.zeros(0, device=device)
        )

    def _decode(
        self, embedding: ImageEmbedding, box: Tensor, point: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Low-resolution logits [n, 1, h, w] and predicted IoU [n] of the best candidates."""
        box = self._transform.apply_boxes_torch(box, embedding.image_size)
        points = None
        if self.use_points:
            coords = self._transform.apply_coords_torch(point[:, None], embedding.image_size)
            points = (coords, torch.ones(coords.shape[:2], dtype=torch.int64, device=coords.device))
        sparse, dense = self.sam.prompt_encoder(points=points, boxes=box, masks=None)
        low_res, iou = self.sam.mask_decoder(
            image_embeddings=embedding.feature.float(),
            image_pe=self.sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        best = iou.argmax(dim=1)
        each = torch.arange(len(best), device=best.device)
        return low_res[each, best][:, None], iou[each, best]
