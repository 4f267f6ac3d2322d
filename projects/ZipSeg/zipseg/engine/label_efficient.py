"""Training on a share of the labels: the split, and the protocol's schedule for its size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from ..data.coco_format import read_entries
from ..data.label_files import local_path
from ..data.registration import annotation_file
from ..data.splits import make_split, split_name
from ..utils.errors import ConfigError
from ..utils.files import write_json
from .setup import load_config


def share_options(
    config_file: str, opts: Sequence[str], percent: float, seed: int = 0
) -> list[str]:
    """KEY VALUE pairs that make a config train on ``percent`` % of its DATASETS.TRAIN.

    Writes the split of ``data.splits`` into the output folder, which gets "_10perc" (and "_seed1")
    added to its name unless ``opts`` chooses one. The schedule is that of TRAINING.SHARES, as far
    as ``opts`` do not change it.

    Raises:
        ConfigError: no schedule for this share, or not one training data set.
        ZipSegError: its file cannot be split.
        CannotWrite: the output folder does not take the split.
    """
    cfg = load_config(config_file, list(opts))
    schedules = {row[0]: row[1:] for row in cfg.TRAINING.SHARES}
    if percent not in schedules:
        known = ", ".join(f"{share:g}" for share in schedules)
        raise ConfigError("--percent", f"{percent:g} has no schedule; TRAINING.SHARES has {known}")
    rate, steps, iterations = schedules[percent]
    solver = {"BASE_LR": rate, "STEPS": tuple(steps), "MAX_ITER": iterations}
    schedule = [word for key, value in solver.items() for word in (f"SOLVER.{key}", str(value))]
    output = cfg.OUTPUT_DIR
    if "OUTPUT_DIR" not in opts[::2]:
        output = f"{output}_{split_name('', percent, seed).rstrip('_')}"
    file, images = _training_file(cfg)
    dataset = read_entries(file)
    split = Path(output) / split_name(file.name, percent, seed)
    write_json(split, make_split(dataset, percent, seed))
    data = ["DATASETS.TRAIN", repr((str(split),)), "TRAINING.IMAGE_ROOT", images]
    return [*schedule, *opts, *data, "OUTPUT_DIR", output]


def _training_file(cfg: CfgNode) -> tuple[Path, str]:
    """The annotations of DATASETS.TRAIN and the folder of their images ("": the file knows)."""
    if len(cfg.DATASETS.TRAIN) != 1:
        raise ConfigError("DATASETS.TRAIN", f"{cfg.DATASETS.TRAIN}: --percent splits one data set")
    (name,) = cfg.DATASETS.TRAIN
    if name.endswith(".json"):
        path = local_path(name)
        return path, cfg.TRAINING.IMAGE_ROOT or str(path.parent)
    return annotation_file(name), MetadataCatalog.get(name).image_root
