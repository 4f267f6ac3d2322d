import json
import time

import pytest
import torch
from torch import nn

from zipseg.engine.ema import follow, weights_of
from zipseg.utils.errors import ZipSegError
from zipseg.zipworld.pretraining.curves import draw_curves
from zipseg.zipworld.pretraining.loop import (
    Schedule,
    learning_rate,
    make_optimizer,
    train,
)
from zipseg.zipworld.pretraining.precision import PRECISIONS, fastest_precision, machine


class Regression:
    """Fits a line; fails at a step if asked to, as if the machine went down."""

    def __init__(self, fails_at: int = -1):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.fails_at = fails_at

    def loss(self, step, progress, precision):
        if self.model.training and step == self.fails_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        with precision.autocast(x.device):
            return (self.model(x).float() - x.sum(1, keepdim=True)).square().mean()

    def evaluate(self):
        return {"norm": float(self.model[0].weight.norm())}


SCHEDULE = Schedule(
    steps=20,
    learning_rate=0.05,
    warmup=3,
    checkpoint_every=4,
    evaluate_every=10,
    precision="float32",
)


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
    averages = [
        torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["average"]
        for run in ("straight", "cut")
    ]
    assert all(torch.equal(value, averages[1][name]) for name, value in averages[0].items())


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


def test_learning_rate_warms_up_stays_and_falls_to_a_hundredth():
    rates = [learning_rate(SCHEDULE, step) for step in range(20)]
    assert rates[:3] == pytest.approx([0.05 / 3, 0.1 / 3, 0.05])
    assert rates[3:14] == [0.05] * 11
    assert rates[14:] == pytest.approx([0.05 * left / 6 for left in range(6, 0, -1)])
    assert learning_rate(SCHEDULE, 20) == pytest.approx(0.05 / 100)


def test_a_longer_schedule_begins_as_a_shorter_one():
    longer = SCHEDULE._replace(steps=40)
    for step in range(14):
        assert learning_rate(longer, step) == learning_rate(SCHEDULE, step)


def test_the_average_follows_weights_and_buffers():
    model = nn.BatchNorm1d(2)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.running_mean.fill_(8.0)
        model.weight.fill_(3.0)
        model.num_batches_tracked.fill_(5)
    follow(average, model, 0.75)
    assert average["running_mean"].tolist() == [2.0, 2.0]
    assert average["weight"].tolist() == [1.5, 1.5]
    assert average["num_batches_tracked"] == 5
    with weights_of(model, average):
        assert model.weight.tolist() == [1.5, 1.5]
    assert model.weight.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("fast", PRECISIONS)
def test_the_fastest_precision_is_taken_and_leaves_no_trace(fast, monkeypatch):
    task = Regression()
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    seconds = {p: 0.1 if name == fast else 1.0 for name, p in PRECISIONS.items()}

    def timed(model, step, precision):
        step(precision).backward()
        return seconds[precision]

    monkeypatch.setattr("zipseg.zipworld.pretraining.precision._time", timed)
    assert fastest_precision(task.model, lambda p: task.loss(0, 0.0, p)) == fast
    assert all(torch.equal(value, before[n]) for n, value in task.model.state_dict().items())
    assert all(parameter.grad is None for parameter in task.model.parameters())


def test_really_slow_arithmetic_is_found(tmp_path):
    class Slow(Regression):
        def loss(self, step, progress, precision):
            if not precision.channels_last:
                time.sleep(0.02)
            return super().loss(step, progress, precision._replace(bfloat16=False))

    task = Slow()
    chosen = fastest_precision(task.model, lambda p: task.loss(0, 0.0, p))
    assert PRECISIONS[chosen].channels_last


def test_a_resumed_training_keeps_its_precision_on_the_same_machine(tmp_path, monkeypatch):
    free = SCHEDULE._replace(precision="", minutes=0)
    train(Regression(), free._replace(precision="bfloat16"), 1, tmp_path)
    monkeypatch.setattr("zipseg.zipworld.pretraining.loop.fastest_precision", None)
    train(Regression(), free, 1, tmp_path)
    starts = [
        json.loads(line)["precision"]
        for line in (tmp_path / "curves.jsonl").read_text().splitlines()
        if "precision" in line
    ]
    assert starts == ["bfloat16", "bfloat16"]
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["precision"]
    assert kept == {machine(torch.device("cpu")): "bfloat16"}


def test_another_number_of_threads_continues(tmp_path):
    threads = torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            train(Regression(), SCHEDULE._replace(minutes=0), 1, tmp_path)
    finally:
        torch.set_num_threads(threads)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 2


def test_curves_are_drawn_with_repeated_steps_once(tmp_path):
    records = [
        {"from": 0, "steps": 9, "precision": "float32"},
        {"step": 1, "loss": 9.0, "seconds": 1},
        {"step": 1, "loss": 2.0, "seconds": 1},
        {"step": 2, "loss": 1.0, "seconds": 1},
        {"step": 1, "map_seen": 0.5},
    ]
    picture = draw_curves(records, "a title")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture == draw_curves(records[:1] + records[2:], "a title")
    assert picture != draw_curves(records[:2] + records[3:], "a title")


def test_only_matrices_decay():
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2))
    decayed, free = make_optimizer(model, SCHEDULE).param_groups
    assert [p.ndim for p in decayed["params"]] == [4]
    assert [p.ndim for p in free["params"]] == [1, 1, 1]
    assert free["weight_decay"] == 0
