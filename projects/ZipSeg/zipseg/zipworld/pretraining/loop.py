"""A training loop that may be killed at any moment and continues exactly."""

import ctypes
import json
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ...engine.ema import copy_of, follow, weights_of
from ...utils.errors import ZipSegError
from ...utils.files import replacing
from .precision import PRECISIONS, Precision, fastest_precision, machine

logger = logging.getLogger(__name__)

_LOG_EVERY = 10  # steps


class Task(Protocol):
    """What is trained. Each step draws all its randomness from its own number, so nothing but
    weights and optimizer has to be kept."""

    model: nn.Module
    seeds: range  # of the scenes it is trained on

    def loss(self, step: int, progress: float, precision: Precision) -> Tensor:
        """Scalar loss of one step; ``progress`` in 0..1 is the share of the steps done."""

    def evaluate(self) -> dict[str, float]:
        """Metrics on held-out scenes."""


class Schedule(NamedTuple):
    """How long and how fast to train."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.05
    warmup: int = 150  # steps
    checkpoint_every: int = 100  # steps
    evaluate_every: int = 500  # steps
    cooldown: float = 0.3  # share of the steps, the last ones, in which the rate falls
    average: float = 0.998  # decay of the moving average of the weights, which is what is shipped
    minutes: float = math.inf  # of this run; the next one continues
    precision: str = ""  # one of PRECISIONS; "": the fastest here


def learning_rate(schedule: Schedule, step: int) -> float:
    """Linear warm-up, then constant, then linear down to a hundredth: the rate of a step depends
    on nothing but its number, and a longer schedule begins as a shorter one does
    (arXiv 2405.18392)."""
    warmup = min(schedule.warmup, schedule.steps // 4)
    if step < warmup:
        return schedule.learning_rate * (step + 1) / warmup
    left = (schedule.steps - step) / max(1.0, schedule.cooldown * schedule.steps)
    return schedule.learning_rate * max(0.01, min(1.0, left))


def train(task: Task, schedule: Schedule, seed: int, output: Path) -> bool:
    """Train until the schedule ends; continue from ``output/checkpoint.pt`` if it is there.

    Writes ``checkpoint.pt`` and ``curves.jsonl``.

    Returns:
        Whether the schedule has ended; False when ``schedule.minutes`` were up first.

    Raises:
        ZipSegError: the checkpoint cannot be read, or belongs to another model.
    """
    output.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    optimizer = make_optimizer(task.model, schedule)
    state = read_checkpoint(output / "checkpoint.pt", task.model, optimizer)
    first = state.step
    device = next(task.model.parameters()).device
    choice = schedule.precision or state.precision.get(machine(device), "")
    if not choice:
        choice = fastest_precision(task.model, lambda p: _seeded_loss(task, schedule, seed, 0, p))
    precision = PRECISIONS[choice]
    average = state.average or copy_of(task.model)
    _log(output, {"from": first, "steps": schedule.steps, "precision": choice})
    began, seconds, losses = time.monotonic(), 0.0, []
    for step in range(first, schedule.steps):
        started = time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, step)
        loss = _seeded_loss(task, schedule, seed, step, precision)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(task.model.parameters(), 1.0)
        optimizer.step()
        follow(average, task.model, min(schedule.average, (1 + step) / (10 + step)))
        losses.append(loss.item())
        seconds += time.process_time() - started
        done = step + 1
        out_of_time = time.monotonic() - began > 60 * schedule.minutes
        if done % _LOG_EVERY == 0 or done == schedule.steps or out_of_time:
            mean = sum(losses) / len(losses)
            _log(output, {"step": done, "loss": round(mean, 5), "seconds": round(seconds, 2)})
            seconds, losses = 0.0, []
        if done % schedule.evaluate_every == 0 or done == schedule.steps:
            with weights_of(task.model, average):
                _log(output, {"step": done, **evaluate(task)})
        if done % schedule.checkpoint_every == 0 or done == schedule.steps or out_of_time:
            saved = Checkpoint(done, average, {**state.precision, machine(device): choice})
            save_checkpoint(output / "checkpoint.pt", task.model, optimizer, saved)
        if out_of_time and done < schedule.steps:
            return False
    return True


def evaluate(task: Task) -> dict[str, float]:
    """Metrics of a task, rounded, with its model in evaluation mode and without gradients."""
    task.model.eval()
    with torch.no_grad():
        return {name: round(float(value), 4) for name, value in task.evaluate().items()}


def make_optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """AdamW that decays matrices and convolutions only."""
    learnt = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in learnt if p.ndim > 1]
    vectors = [p for p in learnt if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": schedule.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98))


class Checkpoint(NamedTuple):
    """What a training keeps besides its model and optimizer."""

    step: int = 0
    average: dict[str, Tensor] | None = None  # the moving average of the model's state
    precision: Mapping[str, str] = MappingProxyType({})  # what was chosen, by machine


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint
) -> None:
    """Write weights, optimizer and the rest as one file, atomically."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    with replacing(path) as file:
        torch.save(state | checkpoint._asdict(), file)


def read_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> Checkpoint:
    """Restore a checkpoint in place; step 0 if there is none.

    Raises:
        ZipSegError: the file cannot be read, or belongs to another model.
    """
    if not path.exists():
        return Checkpoint()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        if optimizer is not None:
            optimizer.load_state_dict(state["optimizer"])
        device = next(model.parameters()).device
        average = {name: value.to(device) for name, value in state["average"].items()}
        checkpoint = Checkpoint(state["step"], average, state["precision"])
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise ZipSegError(
            f"{path}: no checkpoint of this model ({error}); use another folder"
        ) from error
    logger.info("Continuing at step %d of %s", checkpoint.step, path)
    return checkpoint


def _seeded_loss(
    task: Task, schedule: Schedule, seed: int, step: int, precision: Precision
) -> Tensor:
    torch.manual_seed(seed * 1_000_003 + step)
    task.model.train()
    return task.loss(step, step / schedule.steps, precision)


def keep_freed_memory() -> None:
    """Let glibc keep freed memory: giving back and faulting in the activations of every step costs
    a fifth of the time. Elsewhere than on glibc this does nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 256 << 20)):  # mmap, trim, top pad
            mallopt(option, value)


def _log(output: Path, record: dict) -> None:
    with open(output / "curves.jsonl", "a") as file:
        file.write(json.dumps(record) + "\n")
    logger.info("%s", record)
