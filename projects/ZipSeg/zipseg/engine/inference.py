"""Any model of a config, with its weights."""

import logging

import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY, build_model
from detectron2.utils.env import seed_all_rng
from torch import nn

from ..data.vocabulary import known_classes
from ..modeling.networks.weights import is_shipped
from ..utils.errors import ConfigError
from .checkpoint import Checkpointer

logger = logging.getLogger(__name__)

TRAINING_FREE = ("Zip", "SamAlone")


def warn_of_small_networks(cfg: CfgNode) -> None:
    """Says so once where networks that ship with the package are used on a user's own images."""
    zip_ = cfg.MODEL.ZIP
    if training_free(cfg) and any(
        is_shipped(zip_[part].WEIGHTS) for part in ("SEMANTIC", "BOUNDARY", "SEGMENTER")
    ):
        logger.warning(
            "The networks of '%s' know small drawn cushions and nothing of photographs: on these "
            "their output means nothing. COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml has real ones.",
            zip_.SEMANTIC.WEIGHTS,
        )


def training_free(cfg: CfgNode) -> bool:
    """Whether a config's model is used as it is."""
    return cfg.MODEL.META_ARCHITECTURE in TRAINING_FREE


def load_model(cfg: CfgNode) -> nn.Module:
    """A Detectron2 model in evaluation mode; equal configs give equal weights, random ones too.

    Its ``names`` are those of its classes, which all that is written or drawn carries; None where
    neither config nor checkpoint tells those of a detector.

    Raises:
        ConfigError: an unknown architecture, or weights that cannot be loaded or do not fit.
    """
    seed_all_rng(max(cfg.SEED, 0))
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    if cfg.MODEL.META_ARCHITECTURE not in META_ARCH_REGISTRY:
        raise ConfigError(
            "MODEL.META_ARCHITECTURE", f"no '{cfg.MODEL.META_ARCHITECTURE}' is registered"
        )
    model = build_model(cfg)
    names = known_classes(cfg)
    content = {}
    if cfg.MODEL.WEIGHTS:
        content = Checkpointer(model, classes=names).load(cfg.MODEL.WEIGHTS)
    if not hasattr(model, "names"):  # Zip and SamAlone have theirs
        model.names = names or (tuple(content["classes"]) if "classes" in content else None)
        _check_number(model)
    return model.eval()


def _check_number(model: nn.Module) -> None:
    heads = getattr(model, "roi_heads", None)
    if heads is not None and model.names and heads.num_classes != len(model.names):
        raise ConfigError(
            "MODEL.ROI_HEADS.NUM_CLASSES",
            f"the detector knows {heads.num_classes} classes, but {len(model.names)} names were "
            "given: give those it was trained for, in their order",
        )
