"""The optimizer that a config names."""

import torch
from detectron2.config import CfgNode
from detectron2.solver import build_optimizer, get_default_optimizer_params
from detectron2.solver.build import maybe_add_gradient_clipping
from torch import nn

from ..utils.errors import ConfigError


def build_named_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """Detectron2's SGD, or AdamW over its groups of parameters and with its gradient clipping.

    Raises:
        ConfigError: another name.
    """
    name = cfg.TRAINING.OPTIMIZER
    if name == "SGD":
        return build_optimizer(cfg, model)
    if name != "AdamW":
        raise ConfigError("TRAINING.OPTIMIZER", f"'{name}' is neither SGD nor AdamW")
    groups = get_default_optimizer_params(
        model,
        base_lr=cfg.SOLVER.BASE_LR,
        weight_decay=cfg.SOLVER.WEIGHT_DECAY,
        weight_decay_norm=cfg.SOLVER.WEIGHT_DECAY_NORM,
    )
    kind = maybe_add_gradient_clipping(cfg, torch.optim.AdamW)
    return kind(groups, lr=cfg.SOLVER.BASE_LR, weight_decay=cfg.SOLVER.WEIGHT_DECAY)
