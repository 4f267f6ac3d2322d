"""A training step of this project's trainer against Detectron2's own, on one model and one data
set."""

import statistics
import tempfile
import time

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, build_detection_train_loader
from detectron2.data.samplers import TrainingSampler
from detectron2.engine import DefaultTrainer
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage

from zipseg.engine.setup import load_config
from zipseg.engine.trainer import Trainer
from zipseg.zipworld.scenes import register_zipworld

_PARTS = ["TRAINING.DROP_LOSS.ENABLED", True, "TRAINING.SCORE_WEIGHTS.ENABLED", True]
# Detectron2's own box head in all three: what a config's heads cost is not the trainer's.
_SAME = [
    *["MODEL.ROI_BOX_HEAD.NAME", "FastRCNNConvFCHead", "MODEL.ROI_BOX_HEAD.NUM_FC", 1],
    *["MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", 7],
]
_OURS = [*_SAME, "MODEL.ROI_HEADS.NAME", "NoisyROIHeads"]
_PLAIN = [
    *_SAME,
    "MODEL.ROI_HEADS.NAME",
    "StandardROIHeads",
    "MODEL.ROI_MASK_HEAD.NAME",
    "MaskRCNNConvUpsampleHead",
    "MODEL.PROPOSAL_GENERATOR.NAME",
    "RPN",
]


class _Plain(DefaultTrainer):
    """Detectron2's trainer; its loader gets the images in the order of the others."""

    @classmethod
    def build_train_loader(cls, cfg: CfgNode):
        sampler = TrainingSampler(len(DatasetCatalog.get(cfg.DATASETS.TRAIN[0])), seed=cfg.SEED)
        return build_detection_train_loader(cfg, sampler=sampler)


def training_benchmark(config_file: str, rounds: int = 30, batch_size: int = 4) -> dict:
    """CPU seconds of a step, its data included, of three trainers that take turns.

    CPU time, because other programs on the machine do not count in it. All have the same weights
    and images.

    Args:
        config_file: of a Mask R-CNN for ZipWorld, on the CPU.
        rounds: steps of each.

    Returns:
        Medians: ``plain_s`` (Detectron2's trainer, loader and heads), ``parts_off_s``,
        ``parts_on_s`` (DropLoss and score weights), and the ratios of the latter two to the first
        within a round.
    """
    with tempfile.TemporaryDirectory() as folder:
        register_zipworld(folder)
        try:
            trainers = {
                "plain_s": _trainer(_Plain, config_file, folder, batch_size, _PLAIN),
                "parts_off_s": _trainer(Trainer, config_file, folder, batch_size, _OURS),
                "parts_on_s": _trainer(Trainer, config_file, folder, batch_size, _OURS + _PARTS),
            }
            seconds = _take_turns(trainers, rounds)
        finally:
            register_zipworld()
    plain = seconds["plain_s"]
    ratios = {
        "parts_off_over_plain": _paired(seconds["parts_off_s"], plain),
        "parts_on_over_plain": _paired(seconds["parts_on_s"], plain),
    }
    return {name: statistics.median(values) for name, values in seconds.items()} | ratios


def _paired(seconds: list[float], plain: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(seconds, plain, strict=True))


def _trainer(
    kind: type[DefaultTrainer], config_file: str, folder: str, batch_size: int, options: list
) -> DefaultTrainer:
    cfg: CfgNode = load_config(config_file, options)
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = ("zipworld_mini",), ()
    cfg.SOLVER.IMS_PER_BATCH, cfg.TRAINING.REFERENCE_BATCH_SIZE = batch_size, 0
    cfg.SOLVER.BASE_LR = 0.0  # the models stay alike
    cfg.TRAINING.VERTICAL_FLIP = False  # Detectron2's mapper has none
    cfg.OUTPUT_DIR = folder
    seed_all_rng(cfg.SEED)
    return kind(cfg)


def _take_turns(trainers: dict[str, DefaultTrainer], rounds: int) -> dict[str, list[float]]:
    """The CPU seconds of the steps of each, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    with EventStorage() as storage:
        for number in range(rounds + 1):
            storage.iter = number
            for name, trainer in trainers.items():
                trainer.iter = number
                start = time.process_time()
                trainer.run_step()
                if number:
                    seconds[name].append(time.process_time() - start)
    return seconds
