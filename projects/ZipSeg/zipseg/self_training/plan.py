"""The steps of self-training: what each round runs, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..utils.errors import ConfigError
from .programs import Programs, resolved
from .rule import MergeRule
from .step import Step

INITIALISE = ("previous", "config")


@dataclass(frozen=True)
class Plan:
    """What ``zipseg self-train`` was asked for.

    Attributes:
        configs: of the detector, one for each round; the last serves the rounds that remain.
        zip_config: of the model that makes the first labels, usually Zip.
        dataset: registered; its images are labelled, its annotations are not looked at.
        rounds: how many trainings.
        opts, zip_opts: KEY VALUE changes of the detector's and the first model's config.
        first_score: labels of the first model below this are not trained on.
        first_overlap: of those that overlap more than this (IoU) the best stays, whatever their
            names: a detector needs one name for each place.
        rule: how later labels are merged with those of the round before.
        initialise: rounds after the first start from the checkpoint of the one before ("previous",
            as CutLER's do) or from the config's MODEL.WEIGHTS ("config").
    """

    configs: tuple[str, ...]
    zip_config: str
    dataset: str
    rounds: int
    opts: tuple[str, ...] = ()
    zip_opts: tuple[str, ...] = ()
    first_score: float = 0.0
    first_overlap: float = 1.0
    rule: MergeRule = field(default_factory=MergeRule)
    initialise: str = "previous"

    def config(self, number: int) -> str:
        """The detector's config file of round ``number`` (from 1)."""
        return self.configs[min(number, len(self.configs)) - 1]


class Round(NamedTuple):
    """The steps of a round that results are read from.

    ``labels`` makes those that this round's model predicts and the next is trained on (None after
    the last), ``chosen`` those that this round trains on (None in round 0).
    """

    number: int
    chosen: Step | None
    train: Step | None
    evaluate: Step
    labels: Step | None

    def steps(self) -> Iterator[Step]:
        """In the order in which they run."""
        return (x for x in (self.chosen, self.train, self.evaluate, self.labels) if x is not None)


def plan_rounds(plan: Plan, programs: Programs) -> list[Round]:
    """All rounds, round 0 being the first model without training.

    Raises:
        ConfigError: a config that cannot be read, or without a test data set.
    """
    test = _testing(plan.config(1), plan.opts)
    zip_opts = [*plan.zip_opts, *test]
    label = programs.label("round0/label", plan.zip_config, plan.dataset, plan.zip_opts)
    evaluate = programs.evaluate("round0/evaluate", plan.zip_config, zip_opts)
    rounds = [Round(0, None, None, evaluate, label)]
    for number in range(1, plan.rounds + 1):
        rounds.append(_later_round(plan, programs, rounds[-1], number))
    return rounds


def _later_round(plan: Plan, programs: Programs, before: Round, number: int) -> Round:
    name, config = f"round{number}", plan.config(number)
    opts, weights = list(plan.opts), None
    if before.chosen is None:
        rules = {"min_score": plan.first_score}
        if plan.first_overlap < 1:
            rules |= {"max_overlap": plan.first_overlap, "any_category": True}
        chosen = programs.select(f"{name}/select", before.labels.product, rules)
    else:
        rules = plan.rule._asdict()
        previous = before.chosen.product
        chosen = programs.merge(f"{name}/merge", before.labels.product, previous, rules)
        weights = before.train.product if plan.initialise == "previous" else None
    train = programs.train(f"{name}/train", config, chosen.product, opts, weights)
    evaluate = programs.evaluate(f"{name}/evaluate", config, opts, train.product)
    last = number == plan.rounds
    label = None
    if not last:
        label = programs.label(f"{name}/label", config, plan.dataset, opts, train.product)
    return Round(number, chosen, train, evaluate, label)


def _testing(config_file: str, opts: Sequence[str]) -> list[str]:
    """The options by which another model is evaluated like the detector."""
    cfg = resolved(config_file, opts)
    if not cfg["DATASETS"]["TEST"]:
        raise ConfigError("DATASETS.TEST", f"{config_file} names no data set to evaluate on")
    wanted = {
        "DATASETS.TEST": tuple(cfg["DATASETS"]["TEST"]),
        "EVALUATION.PROTOCOLS": tuple(cfg["EVALUATION"]["PROTOCOLS"]),
        "EVALUATION.BACKEND": cfg["EVALUATION"]["BACKEND"],
    }
    return [word for key, value in wanted.items() for word in (key, str(value))]


def all_steps(rounds: Sequence[Round]) -> list[Step]:
    """The steps of all rounds in the order in which they run."""
    return [step for each in rounds for step in each.steps()]
