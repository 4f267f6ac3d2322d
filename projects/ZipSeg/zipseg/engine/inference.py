"""Any model of a config, with its weights."""

import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY, build_model
from detectron2.utils.env import seed_all_rng
from torch import nn

from ..data.vocabulary import known_classes
from ..utils.errors import ConfigError
from .checkpoint import Checkpointer


def load_model(cfg: CfgNode) -> nn.Module:
    """A Detectron2 model in evaluation mode; equal configs give equal weights, random ones too.

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
    if cfg.MODEL.WEIGHTS:
        Checkpointer(model, classes=known_classes(cfg)).load(cfg.MODEL.WEIGHTS)
    return model.eval()
