"""Learning rate and numbers of iterations that follow the batch size."""

import logging

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer
from detectron2.utils import comm

from ..utils.errors import ConfigError

logger = logging.getLogger(__name__)


def follow_batch_size(cfg: CfgNode) -> CfgNode:
    """The config with the solver for SOLVER.IMS_PER_BATCH instead of TRAINING.REFERENCE_BATCH_SIZE.

    Detectron2 scales learning rate, iterations, steps, warm-up and periods by the number of
    workers. Here the same rule, applied to one image a worker, scales them by the number of images.
    A batch size other than the reference is that of all GPUs together, however many there are; the
    reference itself is for SOLVER.REFERENCE_WORLD_SIZE GPUs and follows their number. Detectron2
    logs one line with what was scaled.

    Raises:
        ConfigError: a batch size that is not positive, or that the workers cannot share.
    """
    reference, size = cfg.TRAINING.REFERENCE_BATCH_SIZE, cfg.SOLVER.IMS_PER_BATCH
    if reference < 0 or size <= 0:
        key = "TRAINING.REFERENCE_BATCH_SIZE" if reference < 0 else "SOLVER.IMS_PER_BATCH"
        raise ConfigError(key, f"is {min(reference, size)}; give a number of images")
    if reference in (0, size):
        world = cfg.SOLVER.REFERENCE_WORLD_SIZE
        if world and size % world:
            raise ConfigError(
                "SOLVER.IMS_PER_BATCH",
                f"is {size}, which SOLVER.REFERENCE_WORLD_SIZE {world} does not divide",
            )
        return cfg
    workers = comm.get_world_size()
    if size % workers:
        raise ConfigError(
            "SOLVER.IMS_PER_BATCH", f"is {size}, which {workers} GPUs cannot share evenly"
        )
    scaled = cfg.clone()
    scaled.defrost()
    scaled.SOLVER.IMS_PER_BATCH = scaled.SOLVER.REFERENCE_WORLD_SIZE = reference
    scaled = DefaultTrainer.auto_scale_workers(scaled, size)
    scaled.defrost()
    scaled.SOLVER.REFERENCE_WORLD_SIZE = 0
    scaled.TRAINING.REFERENCE_BATCH_SIZE = size
    if cfg.is_frozen():
        scaled.freeze()
    return scaled


def steps_within(cfg: CfgNode) -> CfgNode:
    """The config without those of SOLVER.STEPS that training never comes to, with one line about
    them: a short trial of a long schedule is no mistake."""
    last = cfg.SOLVER.MAX_ITER
    kept = tuple(step for step in cfg.SOLVER.STEPS if step < last)
    if len(kept) == len(cfg.SOLVER.STEPS):
        return cfg
    logger.warning(
        "SOLVER.STEPS %s reach beyond SOLVER.MAX_ITER %d: the learning rate falls at %s",
        *(tuple(cfg.SOLVER.STEPS), last, f"{kept} only" if kept else "none of them"),
    )
    cfg = cfg.clone()
    cfg.defrost()
    cfg.SOLVER.STEPS = kept
    cfg.freeze()
    return cfg
