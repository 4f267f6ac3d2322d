"""Zip and trainable detectors under Detectron2's engine."""

from collections.abc import Mapping, Sequence

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.engine import DefaultTrainer, default_setup
from detectron2.evaluation import DatasetEvaluators
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from .commands import load_config
from .data.loader import build_image_loader
from .data.zipworld import register_zipworld
from .errors import ConfigError
from .evaluation import build_evaluators

TRAINING_FREE = ("Zip", "SamAlone")


class Trainer(DefaultTrainer):
    """Detectron2's trainer with ZipSeg's evaluators and, for what needs no training, whole
    images to look at."""

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluators:
        return build_evaluators(cfg, dataset_name, f"{cfg.OUTPUT_DIR}/inference/{dataset_name}")

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str):
        if cfg.MODEL.META_ARCHITECTURE in TRAINING_FREE:
            return build_image_loader(cfg, dataset_name)
        return super().build_test_loader(cfg, dataset_name)


def check_names(cfg: CfgNode, names: Sequence[str]) -> None:
    """Raises ConfigError if a test data set has more or fewer categories than the model: its
    classes would be taken for others."""
    for dataset in cfg.DATASETS.TEST:
        count = len(MetadataCatalog.get(dataset).get("thing_classes", names))
        if count != len(names):
            raise ConfigError(
                "DATASETS.TEST",
                f"'{dataset}' has {count} categories and the model {len(names)} names; evaluate "
                "data sets of different categories one by one, without MODEL.ZIP.CLASS_NAMES",
            )


def main(args) -> Mapping[str, Mapping[str, float]]:
    """Evaluates or trains as Detectron2's standard arguments ask.

    Raises:
        ConfigError: training asked of what is training-free; an unusable config.
    """
    register_zipworld()
    cfg = load_config(args.config_file, args.opts)
    training_free = cfg.MODEL.META_ARCHITECTURE in TRAINING_FREE
    if training_free and not args.eval_only:
        raise ConfigError(
            "MODEL.META_ARCHITECTURE",
            f"{cfg.MODEL.META_ARCHITECTURE} is training-free; evaluate it with --eval-only, or "
            "train a detector on its pseudo-labels (tools/generate_pseudo_labels.py)",
        )
    cfg.freeze()
    default_setup(cfg, args)
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="zipseg")
    if not args.eval_only:
        trainer = Trainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        return trainer.train()
    model = Trainer.build_model(cfg)
    if training_free:
        check_names(cfg, model.names)
    else:
        DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR).resume_or_load(
            cfg.MODEL.WEIGHTS, resume=args.resume
        )
    results = Trainer.test(cfg, model)
    comm.synchronize()
    return results
