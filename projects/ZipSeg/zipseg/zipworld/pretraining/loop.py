"""A training loop that may be killed at any moment and continues exactly."""

import ctypes
import json
import logging
import math
import os
import time
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ...utils.errors import ZipSegError

logger = logging.getLogger(__name__)

_LOG_EVERY = 10  # steps


class Task(Protocol):
    """What is trained. Each step draws all its randomness from its own number, so nothing but
    weights and optimizer has to be kept."""

    model: nn.Module
    seeds: list[range]  # of the scenes it is trained on

    def loss(self, step: int, progress: float) -> Tensor:
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
    minutes: float = math.inf  # of this run; the next one continues


def learning_rate(schedule: Schedule, step: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    warmup = min(schedule.warmup, schedule.steps // 4)
    if step < warmup:
        return schedule.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, schedule.steps - warmup)
    return schedule.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)


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
    first = load_checkpoint(output / "checkpoint.pt", task.model, optimizer)
    _log(output, {"from": first, "steps": schedule.steps})
    began, seconds, losses = time.monotonic(), 0.0, []
    for step in range(first, schedule.steps):
        started = time.process_time()
        torch.manual_seed(seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, step)
        task.model.train()
        loss = task.loss(step, step / schedule.steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(task.model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        seconds += time.process_time() - started
        done = step + 1
        out_of_time = time.monotonic() - began > 60 * schedule.minutes
        if done % _LOG_EVERY == 0 or done == schedule.steps or out_of_time:
            mean = sum(losses) / len(losses)
            _log(output, {"step": done, "loss": round(mean, 5), "seconds": round(seconds, 2)})
            seconds, losses = 0.0, []
        if done % schedule.evaluate_every == 0 or done == schedule.steps:
            _log(output, {"step": done, **evaluate(task)})
        if done % schedule.checkpoint_every == 0 or done == schedule.steps or out_of_time:
            save_checkpoint(output / "checkpoint.pt", task.model, optimizer, done)
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
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": schedule.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98))


def save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int):
    """Write weights, optimizer and step as one file, atomically."""
    temporary = path.with_suffix(".tmp")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> int:
    """Restore a checkpoint in place and return its step; 0 if there is none.

    Raises:
        ZipSegError: the file cannot be read, or belongs to another model.
    """
    if not path.exists():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        if optimizer is not None:
            optimizer.load_state_dict(state["optimizer"])
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise ZipSegError(
            f"{path}: no checkpoint of this model ({error}); use another folder"
        ) from error
    logger.info("Continuing at step %d of %s", state["step"], path)
    return state["step"]


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
