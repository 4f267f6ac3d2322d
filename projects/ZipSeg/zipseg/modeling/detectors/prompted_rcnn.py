"""A detector whose boxes become masks by a segmenter: a trained answer to what is where, SAM's to
how it is bounded."""

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.structures import Instances

from ...structures import Masks, Present, Proposals
from ..build import build_stage, prompting_of, segmenter_of
from ..networks.preprocess import to_rgb
from ..networks.segmenters import Prompting, Segmenter
from ..stages.scoring import ToInstances


@META_ARCH_REGISTRY.register()
class PromptedRCNN(GeneralizedRCNN):
    """Trains as GeneralizedRCNN; for inference its boxes prompt the segmenter of the config.

    A detector that learns from pseudo-labels learns which objects there are, but its own masks, 28
    cells wide, are looser than those it was shown. Scores and the suppression of duplicates are
    Zip's (``ToInstances``), with the detector's score of a class in place of a category's:
    sqrt(class score * predicted IoU ** power). Checkpoints hold the detector alone.

    Args:
        segmenter: never trained.
        prompting: how it is prompted.
        to_instances: the stage, whose category scores are its "crop" ones.
        power: of the IoU that the segmenter predicts.
        arguments: GeneralizedRCNN's.
    """

    @configurable
    def __init__(
        self,
        *,
        segmenter: Segmenter,
        prompting: Prompting,
        to_instances: ToInstances,
        power: float,
        **arguments,
    ) -> None:
        super().__init__(**arguments)
        self._prompting, self._to_instances, self._power = prompting, to_instances, power
        # Not a submodule, so that neither optimizer nor checkpoint knows it.
        self._parts = (segmenter.eval().requires_grad_(False),)

    @classmethod
    def from_config(cls, cfg):
        zip_, most = cfg.MODEL.ZIP, cfg.TEST.DETECTIONS_PER_IMAGE
        own = {
            "segmenter": segmenter_of(cfg),
            "prompting": prompting_of(cfg),
            "to_instances": build_stage(
                ToInstances, zip_, category_score="crop", max_detections=most
            ),
            "power": zip_.RATING.PREDICTED_IOU,
        }
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
        proposals = list(map(_prompts, found))
        with torch.no_grad():
            masks = segmenter(images, proposals, sizes, self._prompting)
        return [
            {"instances": self._segmented(*each)}
            for each in zip(found, proposals, masks, strict=True)
        ]

    def _segmented(self, found: Instances, proposals: Proposals, masks: Masks) -> Instances:
        classes = torch.arange(self.roi_heads.num_classes, device=found.scores.device)
        present = Present(classes, torch.ones_like(classes, dtype=found.scores.dtype))
        quality = masks.iou**self._power
        return self._to_instances(proposals, masks, present, quality, found.scores)


def _prompts(found: Instances) -> Proposals:
    box = found.pred_boxes.tensor
    nothing = torch.zeros_like(found.pred_classes)
    middle = box.unflatten(1, (2, 2)).mean(dim=1)
    return Proposals(found.pred_classes, box, middle, nothing, nothing.bool())
