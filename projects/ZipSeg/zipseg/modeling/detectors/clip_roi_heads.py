"""A box head that goes on as a CLIP's ResNet does, with a classifier that begins as its texts.

Detectors on a CLIP's frozen features know names before they are trained (Kuo et al., F-VLM, ICLR
2023); here the later layers learn along.
"""

import logging
import math

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import Conv2d, FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import ROI_HEADS_REGISTRY
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.roi_heads import FastRCNNOutputLayers, StandardROIHeads
from detectron2.structures import Boxes
from torch import Tensor, nn

from ...data.vocabulary import known_classes
from ...utils.errors import ConfigError
from ..build import build_text
from ..networks.vit import interpolate_positions
from ..networks.weights import load_clip
from .clip_backbone import LAYERS, NAMES
from .roi_heads import NoisyLabels

logger = logging.getLogger(__name__)


class ContextPooler(ROIPooler):
    """Detectron2's pooler over boxes that are ``context`` times as wide and as high: CLIP learned
    from pictures in which objects have surroundings."""

    def __init__(self, *args, context: float, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.context = context

    def forward(self, x: list[Tensor], box_lists: list[Boxes]) -> Tensor:
        """Regions [R, C, S, S] of the maps ``x``, as ``ROIPooler.forward``."""
        return super().forward(x, [enlarged(boxes, self.context) for boxes in box_lists])


def enlarged(boxes: Boxes, factor: float) -> Boxes:
    """Boxes with the same centres and ``factor`` times the sides; they may leave the image."""
    left, right = boxes.tensor[:, :2], boxes.tensor[:, 2:]
    margin = (right - left) * (factor - 1) / 2
    return Boxes(torch.cat([left - margin, right + margin], dim=1))


class ClipBoxHead(nn.Module):
    """The layers of a CLIP ResNet after one of them, over regions of its output.

    A region [C, S, S] becomes a vector [D + W]: its unit image embedding times ``scale``, and what
    a convolution and a linear layer of width W see in the first layer's finer map, for the box's
    sides and the background.

    Args:
        visual: the image tower, a ModifiedResNet.
        after: the layer whose regions come in, one of ``clip_backbone.NAMES`` but the last.
        side: S, a multiple of the stride of the layers that are left.
        scale: of the embedding; CLIP's own is the inverse of its temperature.
        channels: of the convolution.
        width: W.

    Raises:
        ConfigError: a side that is no such multiple.
    """

    def __init__(
        self, visual: nn.Module, after: str, side: int, scale: float, channels: int, width: int
    ) -> None:
        super().__init__()
        rest = LAYERS[NAMES.index(after) + 1 :]
        strides = [1 if name == "layer1" else 2 for name in rest]
        last, first = side // math.prod(strides), side // strides[0]
        if side % math.prod(strides):
            raise ConfigError(
                "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION",
                f"is {side}, not a multiple of {math.prod(strides)}, the stride of the layers "
                f"after {after}",
            )
        layers = [getattr(visual, name) for name in rest]
        self.first, self.others = layers[0], nn.Sequential(*layers[1:])
        self.pool = visual.attnpool
        positions = self.pool.positional_embedding.detach()
        old = round((len(positions) - 1) ** 0.5)
        positions = interpolate_positions(positions, (old, old), (last, last))
        self.pool.positional_embedding = nn.Parameter(positions)
        FrozenBatchNorm2d.convert_frozen_batchnorm(self)
        self.requires_grad_(True)
        self.scale = scale
        self.finer = nn.Sequential(
            Conv2d(
                layers[0][-1].conv3.out_channels,
                channels,
                kernel_size=3,
                padding=1,
                bias=False,
                norm=nn.BatchNorm2d(channels),
                activation=nn.ReLU(),
            ),
            nn.Flatten(),
            nn.Linear(channels * first**2, width),
            nn.ReLU(),
        )
        self.output_shape = ShapeSpec(channels=self.pool.c_proj.out_features + width)

    def forward(self, regions: Tensor) -> Tensor:
        """[R, D + W] of [R, C, S, S]."""
        fine = self.first(regions)
        embedding = F.normalize(self.pool(self.others(fine)), dim=-1)
        return torch.cat([embedding * self.scale, self.finer(fine)], dim=1)


class ClipHeads(StandardROIHeads):
    """Mask R-CNN's with a ``ClipBoxHead`` of MODEL.ZIP.BOUNDARY's CLIP on TRAINING.CLIP_HEAD's
    feature; masks are made as ever from MODEL.ROI_HEADS.IN_FEATURES.

    The backbone has to be "build_clip_resnet_fpn_backbone" of the same CLIP.
    """

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        feature, settings = cfg.TRAINING.CLIP_HEAD.IN_FEATURE, cfg.MODEL.ROI_BOX_HEAD
        if feature not in NAMES[:-1] or feature not in input_shape:
            raise ConfigError(
                "TRAINING.CLIP_HEAD.IN_FEATURE",
                f"'{feature}' is no layer but the last of a CLIP ResNet that the backbone gives; "
                f"it gives {', '.join(input_shape)}",
            )
        boundary = cfg.MODEL.ZIP.BOUNDARY
        clip, tokenizer = load_clip(boundary.ARCH, boundary.WEIGHTS, "MODEL.ZIP.BOUNDARY")
        texts = _texts(cfg, clip, tokenizer)
        scale = clip.logit_scale.exp().item()
        side, widths = settings.POOLER_RESOLUTION, (settings.CONV_DIM, settings.FC_DIM)
        box_head = ClipBoxHead(clip.visual, feature, side, scale, *widths)
        predictor = FastRCNNOutputLayers(cfg, box_head.output_shape)
        if texts is not None:
            begin_with_texts(predictor, texts)
        pooler = ContextPooler(
            output_size=side,
            scales=(1 / input_shape[feature].stride,),
            sampling_ratio=settings.POOLER_SAMPLING_RATIO,
            pooler_type=settings.POOLER_TYPE,
            context=cfg.TRAINING.CLIP_HEAD.CONTEXT,
        )
        return {
            "box_in_features": [feature],
            "box_pooler": pooler,
            "box_head": box_head,
            "box_predictor": predictor,
        }


@ROI_HEADS_REGISTRY.register()
class ClipROIHeads(NoisyLabels, ClipHeads):
    """The same, of labels that may be wrong."""


@torch.no_grad()
def begin_with_texts(predictor: FastRCNNOutputLayers, texts: Tensor) -> None:
    """Sets the classifier's weights for embeddings to the names' texts [K, D], less their mean,
    and all others to zero: the background's logit, which begins at zero, then stands for a region
    that is no name in particular."""
    weights = predictor.cls_score.weight.zero_()
    weights[: len(texts), : texts.shape[1]] = texts - texts.mean(dim=0)


def _texts(cfg: CfgNode, clip: nn.Module, tokenizer) -> Tensor | None:
    """Of the names [K, D]; None where they are not known, as when a checkpoint brings its own."""
    names = known_classes(cfg, ("TEST", "TRAIN"))
    if cfg.TRAINING.CLASS_AGNOSTIC or not names or len(names) != cfg.MODEL.ROI_HEADS.NUM_CLASSES:
        logger.info("The classifier begins without the names' texts.")
        return None
    return build_text(cfg, clip, tokenizer, names, "BOUNDARY")[0]
