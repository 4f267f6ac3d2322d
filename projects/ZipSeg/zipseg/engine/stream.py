"""Batches as a function of the seed and the iteration, however often a run is stopped and resumed.

Detectron2's loaders start anew when a run is resumed, and with several worker processes their
batches depend on the number of workers. Here each sample has a seed of its own, the batches are
made up before any worker sees them, and a resumed run skips those that it has had.
"""

import hashlib
from collections.abc import Iterator
from functools import partial

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetFromList
from detectron2.data.samplers import RepeatFactorTrainingSampler, TrainingSampler
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset, Sampler

from ..data.copy_paste import CopyPaste
from ..data.mapper import LabelMapper
from ..data.records import training_records
from ..utils.errors import ConfigError, ImageError


def build_training_stream(cfg: CfgNode) -> "TrainingStream":
    """The batches of DATASETS.TRAIN for this rank.

    Raises:
        ConfigError: nothing to train on, an unknown sampler, a batch that the GPUs cannot share, or
            copy-paste with one image a GPU.
    """
    records = training_records(cfg)
    world, size = comm.get_world_size(), cfg.SOLVER.IMS_PER_BATCH
    if size < world or size % world:
        raise ConfigError(
            "SOLVER.IMS_PER_BATCH", f"is {size}, which {world} GPUs cannot share evenly"
        )
    if cfg.TRAINING.COPY_PASTE.PROBABILITY > 0 and size == world:
        raise ConfigError(
            "TRAINING.COPY_PASTE",
            f"pastes from the other images of a GPU's batch; SOLVER.IMS_PER_BATCH {size} gives each"
            f" GPU one, make it at least {2 * world}",
        )
    seed = cfg.SEED if cfg.SEED >= 0 else comm.shared_random_seed()
    wide = None
    if cfg.DATALOADER.ASPECT_RATIO_GROUPING:
        wide = [record["width"] > record["height"] for record in records]
    batches = Batches(_sampler(cfg, records, seed), size // world, wide)
    samples = Samples(records, LabelMapper(cfg, True), (seed, comm.get_rank()))
    return TrainingStream(samples, batches, cfg.DATALOADER.NUM_WORKERS, CopyPaste.from_config(cfg))


class TrainingStream:
    """What the trainer iterates over; it starts with the batch of ``start_iteration``.

    The process's random generators get a seed of each iteration's own too, so that what the model
    draws does not depend on earlier iterations.
    """

    def __init__(
        self,
        samples: "Samples",
        batches: "Batches",
        workers: int,
        copy_paste: CopyPaste | None,
    ) -> None:
        self.samples, self.batches = samples, batches
        self.dataset = samples
        self.start_iteration = 0
        self._loader = DataLoader(
            samples,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=partial(_collate, copy_paste=copy_paste),
        )

    def __iter__(self) -> Iterator[list[dict]]:
        self.batches.skip = self.start_iteration
        for iteration, batch in enumerate(self._loader, self.start_iteration):
            if isinstance(batch, ImageError):
                raise batch
            torch.manual_seed(_seed(*self.samples.seed, "iteration", iteration))
            yield batch


class Batches(Sampler):
    """Endless batches of (place in the stream, index of the record), without the first ``skip``.

    Args:
        sampler: Detectron2's endless indices of this rank.
        size: of a batch.
        wide: of each record, whether it is wider than high: only such ones share a batch then.
    """

    def __init__(self, sampler: Sampler, size: int, wide: list[bool] | None = None) -> None:
        self.sampler, self.size, self.wide = sampler, size, wide
        self.skip = 0

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        left = self.skip
        buckets: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        for place, index in enumerate(self.sampler):
            bucket = buckets[self.wide is not None and self.wide[index]]
            bucket.append((place, index))
            if len(bucket) == self.size:
                if left == 0:
                    yield list(bucket)
                left = max(left - 1, 0)
                bucket.clear()


class Samples(Dataset):
    """Training inputs by (place in the stream, index of the record)."""

    def __init__(self, records: list[dict], mapper: LabelMapper, seed: tuple[int, int]) -> None:
        self.records, self.mapper, self.seed = DatasetFromList(records), mapper, seed

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, item: tuple[int, int]) -> dict | ImageError:
        place, index = item
        try:
            return self.mapper(self.records[index] | {"seed": _seed(*self.seed, "sample", place)})
        except ImageError as error:  # raised in the main process: a worker wraps its traceback up
            return error


def _collate(
    batch: list[dict | ImageError], copy_paste: CopyPaste | None
) -> list[dict] | ImageError:
    for entry in batch:
        if isinstance(entry, ImageError):
            return entry
    return batch if copy_paste is None else copy_paste(batch)


def _sampler(cfg: CfgNode, records: list[dict], seed: int) -> Sampler:
    name = cfg.DATALOADER.SAMPLER_TRAIN
    if name == "TrainingSampler":
        return TrainingSampler(len(records), seed=seed)
    if name == "RepeatFactorTrainingSampler":
        factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(
            records, cfg.DATALOADER.REPEAT_THRESHOLD
        )
        return RepeatFactorTrainingSampler(factors, seed=seed)
    raise ConfigError(
        "DATALOADER.SAMPLER_TRAIN",
        f"'{name}' is not one of: TrainingSampler, RepeatFactorTrainingSampler",
    )


def _seed(*parts: object) -> int:
    """A number below 2**31 that any change of the parts changes."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
