"""Zip: classify, activate, cluster, select, regroup, segment, score, as a Detectron2 architecture.

C. Shi and S. Yang, "The devil is in the object boundary: towards annotation-free instance
segmentation using Foundation Models", ICLR 2024. Training-free: its forward pass makes
pseudo-labels, on which ``zipseg train`` trains an ordinary detector.
"""

from collections.abc import Sequence

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from torch import Tensor, nn

from ..structures import Activation, Masks, Pieces, Present, Proposals, Trace
from .build import Stages, zip_arguments
from .networks.clip_boundary import ClipBoundary
from .networks.clip_classifier import ClipClassifier
from .networks.clip_crops import ClipCrops
from .networks.clip_dense import ClipDense, DenseTokens
from .networks.precision import reduced_precision
from .networks.preprocess import to_device, to_rgb
from .networks.segmenters import Prompting, Segmenter
from .stages.classification import pool_views


@META_ARCH_REGISTRY.register()
class Zip(nn.Module):
    """Training-free instance segmentation from CLIP and SAM.

    Args:
        semantic: the ViT with dense patch tokens.
        boundary: a middle layer of a CLIP's image tower.
        segmenter: masks for boxes and points.
        names: the C category names.
        text: their embeddings [C, D].
        empty_text: the empty string's embedding [D].
        stages: the stages with their constants.
        prompting: how the segmenter is prompted with proposals.
        classifier: a pass of its own to classify images; None uses ``semantic``'s class token.
        crops: scores each object's category on its masked crop; None does not.
        input_format: "BGR" or "RGB", the channels of the input images.
        autocast: run the networks in reduced precision; the stages are always in full.
    """

    @configurable
    def __init__(
        self,
        *,
        semantic: ClipDense,
        boundary: ClipBoundary,
        segmenter: Segmenter,
        names: Sequence[str],
        text: Tensor,
        empty_text: Tensor,
        stages: Stages,
        prompting: Prompting = Prompting(),  # noqa: B008
        classifier: ClipClassifier | None = None,
        crops: ClipCrops | None = None,
        input_format: str = "BGR",
        autocast: bool = False,
    ) -> None:
        super().__init__()
        self.semantic, self.boundary, self.segmenter = semantic, boundary, segmenter
        self.names = tuple(names)
        self.stages = stages
        self.classifier, self.crops = classifier, crops
        self.prompting = prompting
        self.input_format = input_format
        self.autocast = autocast
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("empty_text", empty_text, persistent=False)

    @classmethod
    def from_config(cls, cfg):
        return zip_arguments(cfg)

    @property
    def device(self) -> torch.device:
        return self.text.device

    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        """Detectron2's contract: ``image`` [3, H, W] in ``cfg.INPUT.FORMAT``, 0..255, with optional
        ``height`` and ``width`` of the output; returns ``{"instances": Instances}`` for each.

        Raises:
            RuntimeError: in training mode.
        """
        return [{"instances": trace.instances} for trace in self.trace(batched_inputs)]

    @torch.no_grad()
    def trace(self, batched_inputs: list[dict]) -> list[Trace]:
        """The forward pass, with what every stage handed on."""
        if self.training:
            raise RuntimeError(
                "Zip is training-free: call .eval() first. To learn from its output, write "
                "pseudo-labels and train a detector on them with 'zipseg train'."
            )
        images = [
            to_rgb(to_device(entry["image"], self.device), self.input_format)
            for entry in batched_inputs
        ]
        tokens = self._tokens(images)
        presents = self._classify(images, tokens)
        features = self._boundary_features(images)
        activations = self._activate(images, tokens, presents, features)
        proposals, pieces = self._discover(images, features, activations)
        masks = self._segment(images, proposals, [_output_size(x) for x in batched_inputs])
        quality = map(self.stages.rate_masks, masks, proposals, activations, features)
        crop_scores = map(self._score_crops, images, proposals, masks, presents)
        instances = map(self.stages.to_instances, proposals, masks, presents, quality, crop_scores)
        columns = (presents, activations, features, proposals, pieces, masks, instances)
        return [Trace(*each) for each in zip(*columns, strict=True)]

    def _tokens(self, images: Sequence[Tensor]) -> list[DenseTokens]:
        with self._reduced_precision():
            return self.semantic.encode(images)

    def _classify(self, images: Sequence[Tensor], tokens: list[DenseTokens]) -> list[Present]:
        if not images:
            return []
        if self.classifier is None:
            views, counts = torch.stack([each.image for each in tokens])[:, None], [1]
        else:
            views, counts = self._image_embeddings(images), self.classifier.counts
        scores = self._score_categories(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        return [self.stages.select_present(each) for each in pool_views(scores, counts)]

    def _score_categories(self, embedding: Tensor) -> Tensor:
        texts = self.classifier or self
        return self.stages.score_categories(embedding, texts.text, texts.empty_text)

    def _image_embeddings(self, images: Sequence[Tensor]) -> Tensor:
        with self._reduced_precision():
            return self.classifier(images)

    def _boundary_features(self, images: Sequence[Tensor]) -> list[Tensor]:
        with self._reduced_precision():
            return self.boundary.encode(images)

    def _activate(
        self,
        images: Sequence[Tensor],
        tokens: list[DenseTokens],
        presents: list[Present],
        features: list[Tensor],
    ) -> list[Activation]:
        similarities = [
            self.stages.compare_patches(
                each.image, each.patch, self.text, self.empty_text, present.category
            )
            for each, present in zip(tokens, presents, strict=True)
        ]
        return [
            self.stages.activate(similarity, each.grid, image.shape[-2:], feature.shape[-2:])
            for similarity, each, image, feature in zip(
                similarities, tokens, images, features, strict=True
            )
        ]

    def _discover(
        self, images: Sequence[Tensor], features: list[Tensor], activations: list[Activation]
    ) -> tuple[list[Proposals], list[Pieces]]:
        discovered = [
            self.stages.discover(feature, activation, image.shape[-2:])
            for image, feature, activation in zip(images, features, activations, strict=True)
        ]
        return [each for each, _ in discovered], [each for _, each in discovered]

    def _segment(
        self, images: Sequence[Tensor], proposals: list[Proposals], sizes: list[tuple[int, int]]
    ) -> list[Masks]:
        with self._reduced_precision():
            return self.segmenter(images, proposals, sizes, self.prompting)

    def _score_crops(
        self, image: Tensor, proposals: Proposals, masks: Masks, present: Present
    ) -> Tensor | None:
        """The score of each object's category on its masked crop [N]."""
        if self.crops is None:
            return None
        if not len(masks):
            return masks.iou
        with self._reduced_precision():
            embedding = self.crops(image, masks.mask)
        category = present.category[proposals.category]
        return self._score_categories(embedding).gather(1, category[:, None])[:, 0]

    def _reduced_precision(self) -> torch.autocast:
        return reduced_precision(self.device, self.autocast)


def _output_size(entry: dict) -> tuple[int, int]:
    height, width = entry["image"].shape[-2:]
    return entry.get("height", height), entry.get("width", width)
