"""Learning rate and numbers of iterations that follow the batch size."""

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer

from ..utils.errors import ConfigError


def follow_batch_size(cfg: CfgNode) -> CfgNode:
    """The config with the solver for SOLVER.IMS_PER_BATCH instead of TRAINING.REFERENCE_BATCH_SIZE.

    Detectron2 scales learning rate, iterations, steps, warm-up and periods by the number of
    workers. Here the same rule, applied to one image a worker, scales them by the number of images.

    Raises:
        ConfigError: a batch size that is not positive, or that the workers cannot share.
    """
    reference, size = cfg.TRAINING.REFERENCE_BATCH_SIZE, cfg.SOLVER.IMS_PER_BATCH
    if reference < 0 or size <= 0:
        key = "TRAINING.REFERENCE_BATCH_SIZE" if reference < 0 else "SOLVER.IMS_PER_BATCH"
        raise ConfigError(key, f"is {min(reference, size)}; give a number of images")
    world = cfg.SOLVER.REFERENCE_WORLD_SIZE
    if world and size % world:
        raise ConfigError(
            "SOLVER.IMS_PER_BATCH",
            f"is {size}, which SOLVER.REFERENCE_WORLD_SIZE {world} does not divide",
        )
    if reference in (0, size):
        return cfg
    scaled = cfg.clone()
    scaled.defrost()
    scaled.SOLVER.IMS_PER_BATCH = scaled.SOLVER.REFERENCE_WORLD_SIZE = reference
    scaled = DefaultTrainer.auto_scale_workers(scaled, size)
    scaled.defrost()
    scaled.SOLVER.REFERENCE_WORLD_SIZE = world
    scaled.TRAINING.REFERENCE_BATCH_SIZE = size
    if cfg.is_frozen():
        scaled.freeze()
    return scaled
