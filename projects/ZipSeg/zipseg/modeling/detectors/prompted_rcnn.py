"""A detector whose boxes become masks by a segmenter: a trained answer to what is where, SAM's to
how it is bounded."""

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.structures import Boxes, Instances

from ...structures import Masks, Proposals, mask_boxes
from ..build import prompting_of, segmenter_of
from ..networks.preprocess import to_rgb
from ..networks.segmenters import Prompting, Segmenter


@META_ARCH_REGISTRY.register()
class PromptedRCNN(GeneralizedRCNN):
    """Trains as GeneralizedRCNN; for inference its boxes prompt the segmenter of the config.

    A detector that learns from pseudo-labels learns which objects there are, but its own masks, 28
    cells wide, are looser than those it was shown. Scores are those of ``ToInstances``: sqrt(class
    score * predicted IoU). Checkpoints hold the detector alone.

    Args:
        segmenter: never trained.
        prompting: how it is prompted.
        arguments: GeneralizedRCNN's.
    """

    @configurable
    def __init__(self, *, segmenter: Segmenter, prompting: Prompting, **arguments) -> None:
        super().__init__(**arguments)
        self._prompting = prompting
        # Not a submodule, so that neither optimizer nor checkpoint knows it.
        self._parts = (segmenter.eval().requires_grad_(False),)

    @classmethod
    def from_config(cls, cfg):
        own = {"segmenter": segmenter_of(cfg), "prompting": prompting_of(cfg)}
        return {**super().from_config(cfg), **own}

    def inference(
        self,
        batched_inputs: list[dict],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list:
        """Detectron2's contract; masks, and boxes around them, are the segmenter's wherever
        results are for the images' own sizes (``do_postprocess``)."""
        found = super().inference(batched_inputs, detected_instances, do_postprocess=False)
        if not do_postprocess:
            return found
        segmenter = self._parts[0].to(self.device)
        images = [
            to_rgb(each["image"].to(self.device), self.input_format) for each in batched_inputs
        ]
        sizes = [
            (each.get("height", image.shape[-2]), each.get("width", image.shape[-1]))
            for each, image in zip(batched_inputs, images, strict=True)
        ]
        with torch.no_grad():
            masks = segmenter(images, list(map(_prompts, found)), sizes, self._prompting)
        return [
            {"instances": _segmented(each, mask)} for each, mask in zip(found, masks, strict=True)
        ]


def _prompts(found: Instances) -> Proposals:
    box = found.pred_boxes.tensor
    nothing = torch.zeros_like(found.pred_classes)
    middle = box.unflatten(1, (2, 2)).mean(dim=1)
    return Proposals(found.pred_classes, box, middle, nothing, nothing.bool())


def _segmented(found: Instances, masks: Masks) -> Instances:
    """Detections with the segmenter's masks, best first; empty ones are removed."""
    box = mask_boxes(masks.mask)
    score = (found.scores * masks.iou).sqrt()
    kept = score.argsort(descending=True, stable=True)
    kept = kept[box[kept, 2] > box[kept, 0]]
    return Instances(
        masks.size,
        pred_boxes=Boxes(box[kept]),
        scores=score[kept],
        pred_classes=found.pred_classes[kept],
        pred_masks=masks.mask[kept],
    )
