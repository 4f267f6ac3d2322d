"""Batches depend on the seed and the iteration, not on workers, stops and resumes."""

import itertools

import pytest
import torch
from detectron2.data.samplers import TrainingSampler
from hypothesis import given
from hypothesis import strategies as st

from zipseg.engine.stream import Batches
from zipseg.engine.trainer import Trainer
from zipseg.utils.errors import ConfigError


def first(cfg, count, start=0):
    stream = Trainer.build_train_loader(cfg)
    stream.start_iteration = start
    found = []
    for batch in itertools.islice(stream, count):
        found.append([(e["file_name"], e["image"], e["instances"].gt_masks.tensor) for e in batch])
        found[-1].append(torch.rand(3))
    return found


def same(one, other):
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_resumed_stream_goes_on(workers, tiny):
    cfg = tiny("DATALOADER.NUM_WORKERS", workers, "TRAINING.COPY_PASTE.PROBABILITY", "0.7")
    whole = first(cfg, 5)
    assert same(first(cfg, 2, start=3), whole[3:])
    assert same(first(tiny("TRAINING.COPY_PASTE.PROBABILITY", "0.7"), 5), whole)
    assert not same(whole[0], whole[1])


def test_copy_paste_needs_two_images(tiny):
    cfg = tiny("SOLVER.IMS_PER_BATCH", "1", "TRAINING.COPY_PASTE.PROBABILITY", "0.7")
    with pytest.raises(ConfigError, match=r"^TRAINING.COPY_PASTE: .*make it at least 2"):
        Trainer.build_train_loader(cfg)


def test_another_seed_is_another_stream(tiny):
    assert not same(first(tiny("SEED", "5"), 2), first(tiny("SEED", "6"), 2))


def test_rare_categories_repeat(tiny):
    cfg = tiny(
        "DATALOADER.SAMPLER_TRAIN",
        "RepeatFactorTrainingSampler",
        "DATALOADER.REPEAT_THRESHOLD",
        "4.0",
    )
    stream = iter(Trainer.build_train_loader(cfg))
    names = [e["file_name"] for batch in itertools.islice(stream, 6) for e in batch]
    assert len(names) == 12  # every image twice an epoch
    assert {names.count(name) for name in set(names)} == {2}


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 3), st.integers(0, 6))
def test_batches_hold_one_orientation_and_can_be_skipped(wide, size, skip):
    sampler = TrainingSampler(len(wide), seed=1)
    whole = list(itertools.islice(Batches(sampler, size, wide), skip + 4))
    for batch in whole:
        assert len(batch) == size
        assert len({wide[index] for _, index in batch}) == 1
    indices = list(itertools.islice(sampler, 200))
    assert all(indices[place] == index for batch in whole for place, index in batch)
    resumed = Batches(sampler, size, wide)
    resumed.skip = skip
    assert list(itertools.islice(resumed, 4)) == whole[skip:]
