"""One embedded model from scenes to shipped weights."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...utils.errors import ZipSegError
from ...utils.files import write_atomically
from ..networks.architectures import FOLDER, PARTS, build_clip, build_tokenizer
from ..networks.loading import read_weights
from ..networks.packing import TOKENS, pack, unpack
from ..scenes import SPLITS
from .captions import Vocabulary
from .clip_training import RECIPES, ClipTask
from .export import export
from .loop import Schedule, Task, evaluate, read_checkpoint, train
from .sam_training import SamRecipe, SamTask
from .scenes import SceneBank

# Scenes of all 36 names for the model cards; these seeds are in no split.
FRESH_SEEDS = range(16_000_000, 16_000_400)

_FURTHER_RATE = 0.4  # of the learning rate
_BEFORE = "before.md"  # the card of the weights that a further training started from


class Plan(NamedTuple):
    """The shipped training of a part."""

    title: str
    steps: int
    learning_rate: float


PLANS = {
    "vit": Plan("A CLIP with a vision transformer, for names and CLIP Surgery", 16_000, 1e-3),
    "resnet": Plan("A CLIP with a ModifiedResNet, for object boundaries", 16_000, 1.5e-3),
    "sam": Plan("A Segment Anything model, class-agnostic", 16_000, 8e-4),
}


class Run(NamedTuple):
    """One training.

    Attributes:
        part: one of ``PLANS``.
        output: folder of checkpoint and curves.
        scenes_root: folder of the rendered scenes, shared by all parts.
        scenes: how many of ``zipworld_pretrain`` to train on.
        measured: on how many held-out scenes metrics are taken.
        seed: decides weights and batches.
        batch: scenes or pictures a step; None for the shipped choice.
        further: start from the shipped weights, without the first lessons.
        device: "cpu" or "cuda".
    """

    part: str
    output: Path
    scenes_root: Path
    scenes: int = 12_000
    measured: int = 250
    seed: int = 0
    batch: int | None = None
    further: bool = False
    device: str = "cpu"

    def task(self, held_out: range = SPLITS["zipworld_pretrain_val"]) -> Task:
        """The model with its scenes; those that are missing are rendered when they are needed."""
        measured = SceneBank(self.scenes_root, held_out[: self.measured])
        measured.ensure(np.arange(measured.count))
        sam = self.part == "sam"
        recipe = SamRecipe() if sam else RECIPES[self.part]
        if self.further and not sam:
            recipe = recipe._replace(first=0.0)
        if self.batch:
            recipe = recipe._replace(batch=self.batch)
        bank = SceneBank(self.scenes_root, training_seeds(self.scenes))
        if sam:
            task = SamTask(bank, measured, self.seed, recipe)
        else:
            teacher = _teacher(recipe.teacher) if recipe.teacher else None
            task = ClipTask(self.part, bank, measured, self.seed, recipe, teacher)
        task.model.to(self.device)
        return task


def training_seeds(scenes: int) -> range:
    """Seeds of so many training scenes."""
    return SPLITS["zipworld_pretrain"][:scenes]


def _teacher(part: str) -> torch.nn.Module:
    """The shipped CLIP of a part with the tokens of the training's vocabulary."""
    arch = PARTS[part]
    ids = Vocabulary(build_tokenizer(arch)).ids
    model = build_clip(arch, len(ids))
    model.load_state_dict(_shipped(arch, ids))
    return model


def planned(
    part: str, steps: int | None = None, further: bool = False, **others: float | str
) -> Schedule:
    """The schedule of a part's plan with another number of steps if given, and with ``others`` of
    its fields. Further training takes smaller steps, so as not to lose what was learnt."""
    plan = PLANS[part]
    rate = plan.learning_rate * (_FURTHER_RATE if further else 1)
    return Schedule(steps or plan.steps, rate, **others)


def pretrain(run: Run, schedule: Schedule) -> bool:
    """Train a part, from its checkpoint if it has one; returns and raises as ``loop.train``."""
    task = run.task()
    if run.further and not (run.output / "checkpoint.pt").exists():
        name = PARTS[run.part]
        task.model.load_state_dict(_shipped(name, task.token_ids))
        card = (FOLDER / f"{name}.md").read_text()
        write_atomically(run.output / _BEFORE, card.encode())
    return train(task, schedule, run.seed, run.output)


def _shipped(name: str, token_ids: Tensor | None) -> dict[str, Tensor]:
    """Shipped weights, with the token embedding's rows of ``token_ids`` if the model has one."""
    packed = read_weights(name)
    if token_ids is None:
        return unpack(packed)
    state = unpack(packed, build_tokenizer(name).vocab_size)
    return state | {TOKENS: state[TOKENS][token_ids]}


def ship(run: Run, folder: Path) -> Path:
    """Export a part's checkpoint with the metrics of its rounded weights on ``FRESH_SEEDS``.

    Args:
        run: the training.
        folder: where to.

    Raises:
        ZipSegError: there is no checkpoint.
    """
    task = run.task(FRESH_SEEDS)
    checkpoint = read_checkpoint(run.output / "checkpoint.pt", task.model)
    if not checkpoint.step:
        raise ZipSegError(f"{run.output}: holds no checkpoint.pt; train first")
    lines = (run.output / "curves.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    state = {name: value.cpu() for name, value in checkpoint.average.items()}
    task.model.load_state_dict(unpack(pack(state)))
    facts = {
        "title": PLANS[run.part].title,
        "recipe": task.description,
        "command": _commands(run, records),
        "before": _before(run.output / _BEFORE),
        "seeds": task.seeds,
        "seed": run.seed,
        "steps": checkpoint.step,
        "cpu_minutes": _cpu_seconds(records) / 60,
        "metrics": evaluate(task),
        "curves": records,
    }
    return export(state, PARTS[run.part], folder, facts, task.token_ids)


def _commands(run: Run, records: list[dict]) -> str:
    """The command line, or all of them if the length of the schedule was changed on the way."""
    command = "python tools/experiments/train_foundation.py"
    command += f" --part {run.part} --output {run.output}"
    if run.scenes != Run._field_defaults["scenes"]:
        command += f" --scenes {run.scenes}"
    command += " --further" * run.further
    starts = [record for record in records if "from" in record]
    parts = []
    for number, start in enumerate(starts):
        if number == 0 or start["steps"] != starts[number - 1]["steps"]:
            since = f", from step {start['from']} on" if start["from"] else ""
            parts.append(f"`{command} --steps {start['steps']}`{since}")
    return "; ".join(parts)


def _before(card: Path) -> str:
    """Data, cost and commands of the weights that a training started from; "" if from nothing."""
    if not card.exists():
        return ""
    wanted = ("- **Before:** ", "- **Data:** ", "- **Cost:** ", "- **Command:** ")
    lines = [line for line in card.read_text().splitlines() if line.startswith(wanted)]
    return " ".join(line.split("** ", 1)[1] for line in lines)


def _cpu_seconds(records: list[dict]) -> float:
    """Of the steps that count: a step repeated after a kill is taken once."""
    return sum({r["step"]: r["seconds"] for r in records if "seconds" in r}.values())


def prerender(scenes_root: Path, scenes: int, workers: int) -> None:
    """Render all training scenes beforehand."""
    SceneBank(scenes_root, training_seeds(scenes)).render(workers)
