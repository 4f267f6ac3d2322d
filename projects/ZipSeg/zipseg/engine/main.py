"""Zip and trainable detectors under Detectron2's engine."""

from collections.abc import Mapping, Sequence

import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.engine import default_setup
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from ..data.label_files import register_label_files
from ..data.vocabulary import known_classes
from ..utils.errors import ConfigError
from .checkpoint import Checkpointer
from .setup import load_config
from .trainer import Trainer, training_free


def check_names(cfg: CfgNode, names: Sequence[str]) -> None:
    """Raises ConfigError if a test data set has other categories than the model: its classes would
    be taken for others."""
    for dataset in cfg.DATASETS.TEST:
        own = MetadataCatalog.get(dataset).get("thing_classes", names)
        if tuple(own) != tuple(names):
            raise ConfigError(
                "DATASETS.TEST",
                f"'{dataset}' has {len(own)} categories and the model {len(names)} names, which "
                "differ; evaluate data sets of different categories one by one",
            )


def check_gpus(asked: int) -> None:
    """Raises ConfigError if this machine has fewer GPUs than the processes that would share them;
    one process runs on the CPU where there is none."""
    there = torch.cuda.device_count()
    if asked > max(there, 1):
        raise ConfigError(
            "--num-gpus", f"{asked} were asked for, and PyTorch sees {there or 'none'} here"
        )


def main(args) -> Mapping[str, Mapping[str, float]]:
    """Evaluates or trains as Detectron2's standard arguments ask.

    Returns:
        The metrics of the evaluation, after training those of the last one.

    Raises:
        ConfigError: training asked of what is training-free; an unusable config.
    """
    cfg = load_config(args.config_file, args.opts)
    if training_free(cfg) and not args.eval_only:
        raise ConfigError(
            "MODEL.META_ARCHITECTURE",
            f"{cfg.MODEL.META_ARCHITECTURE} is training-free; evaluate it with --eval-only, or "
            "train a detector on its pseudo-labels ('zipseg label' makes them)",
        )
    # The labels of a training need not be there any more when its detector is evaluated.
    register_label_files(cfg, ("TEST",) if args.eval_only else ("TRAIN", "TEST"))
    cfg.freeze()
    default_setup(cfg, args)
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="zipseg")
    return _evaluate(cfg, args.resume) if args.eval_only else _train(cfg, args.resume)


def _train(cfg: CfgNode, resume: bool) -> Mapping[str, Mapping[str, float]]:
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=resume)
    return trainer.train()


def _evaluate(cfg: CfgNode, resume: bool) -> Mapping[str, Mapping[str, float]]:
    model = Trainer.build_model(cfg)
    if training_free(cfg):
        check_names(cfg, model.names)
    else:
        checkpointer = Checkpointer(model, cfg.OUTPUT_DIR, classes=known_classes(cfg))
        checkpointer.resume_or_load(cfg.MODEL.WEIGHTS, resume=resume)
    results = Trainer.test(cfg, model)
    comm.synchronize()
    return results
