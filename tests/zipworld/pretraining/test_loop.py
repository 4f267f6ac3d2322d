import json
import math

import pytest
import torch
from torch import nn

from zipseg.utils.errors import ZipSegError
from zipseg.zipworld.pretraining.loop import Schedule, learning_rate, make_optimizer, train


class Regression:
    """Fits a line; fails at a step if asked to, as if the machine went down."""

    def __init__(self, fails_at: int = -1):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.fails_at = fails_at

    def loss(self, step, progress):
        if step == self.fails_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        return (self.model(x) - x.sum(1, keepdim=True)).square().mean()

    def evaluate(self):
        return {"norm": float(self.model[0].weight.norm())}


SCHEDULE = Schedule(steps=20, learning_rate=0.05, warmup=3, checkpoint_every=4, evaluate_every=10)


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    straight = Regression()
    assert train(straight, SCHEDULE, 1, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(Regression(fails_at=14), SCHEDULE, 1, tmp_path / "cut")
    (tmp_path / "cut/checkpoint.tmp").write_bytes(b"half a checkpoint")
    resumed = Regression()
    assert train(resumed, SCHEDULE, 1, tmp_path / "cut")
    for a, b in zip(straight.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_curves_hold_losses_and_metrics(tmp_path):
    train(Regression(), SCHEDULE, 1, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if "loss" in r] == [10, 20]
    assert [r["step"] for r in records if "norm" in r] == [10, 20]


def test_time_limit_stops_and_says_so(tmp_path):
    assert not train(Regression(), SCHEDULE._replace(minutes=0), 1, tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 1


def test_a_foreign_or_broken_checkpoint_is_named(tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ZipSegError, match="checkpoint"):
        train(Regression(), SCHEDULE, 1, tmp_path)
    torch.save({"model": nn.Linear(2, 2).state_dict(), "optimizer": {}, "step": 3}, path)
    with pytest.raises(ZipSegError, match="checkpoint"):
        train(Regression(), SCHEDULE, 1, tmp_path)


def test_learning_rate_warms_up_and_falls_to_a_hundredth():
    rates = [learning_rate(SCHEDULE, step) for step in range(20)]
    assert rates[:3] == pytest.approx([0.05 / 3, 0.1 / 3, 0.05])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    middle = 3 + 17 / 2
    expected = 0.05 * (0.01 + 0.99 * (1 + math.cos(math.pi * 0.5)) / 2)
    assert learning_rate(SCHEDULE, middle) == pytest.approx(expected)
    assert learning_rate(SCHEDULE, 20) == pytest.approx(0.05 / 100)


def test_only_matrices_decay():
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2))
    decayed, free = make_optimizer(model, SCHEDULE).param_groups
    assert [p.ndim for p in decayed["params"]] == [4]
    assert [p.ndim for p in free["params"]] == [1, 1, 1]
    assert free["weight_decay"] == 0
