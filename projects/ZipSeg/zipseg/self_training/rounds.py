"""The steps of self-training: what each round runs, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .programs import Programs
from .rule import MergeRule
from .settings import read_settings
from .step import Step

INITIALISE = ("previous", "config")


@dataclass(frozen=True)
class SelfTraining:
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


def plan_rounds(request: SelfTraining, programs: Programs) -> list[Round]:
    """All rounds, round 0 being the first model without training.

    Raises:
        ConfigError: a config that cannot be read, or without a test data set.
    """
    test = _tested_like(request.config(1), request.opts)
    zip_opts = [*request.zip_opts, *test]
    label = programs.label("round0/label", request.zip_config, request.dataset, request.zip_opts)
    evaluate = programs.evaluate("round0/evaluate", request.zip_config, zip_opts)
    rounds = [Round(0, None, None, evaluate, label)]
    for number in range(1, request.rounds + 1):
        rounds.append(_later_round(request, programs, rounds[-1], number))
    return rounds


def _later_round(request: SelfTraining, programs: Programs, before: Round, number: int) -> Round:
    name, config = f"round{number}", request.config(number)
    opts, weights = list(request.opts), None
    if before.chosen is None:
        rules = {"min_score": request.first_score}
        if request.first_overlap < 1:
            rules |= {"max_overlap": request.first_overlap, "any_category": True}
        chosen = programs.select(f"{name}/select", before.labels.product, rules)
    else:
        rules = request.rule._asdict()
        previous = before.chosen.product
        chosen = programs.merge(f"{name}/merge", before.labels.product, previous, rules)
        weights = before.train.product if request.initialise == "previous" else None
    train = programs.train(f"{name}/train", config, chosen.product, opts, weights)
    evaluate = programs.evaluate(f"{name}/evaluate", config, opts, train.product)
    last = number == request.rounds
    label = None
    if not last:
        label = programs.label(f"{name}/label", config, request.dataset, opts, train.product)
    return Round(number, chosen, train, evaluate, label)


def _tested_like(config_file: str, opts: Sequence[str]) -> list[str]:
    """The options by which another model is evaluated like the detector."""
    settings = read_settings(config_file, opts)
    wanted = {
        "DATASETS.TEST": settings.get("DATASETS", {}).get("TEST"),
        "EVALUATION.PROTOCOLS": settings.get("EVALUATION", {}).get("PROTOCOLS", ["coco"]),
    }
    return [word for key, value in wanted.items() if value for word in (key, str(tuple(value)))]


def all_steps(rounds: Sequence[Round]) -> list[Step]:
    """The steps of all rounds in the order in which they run."""
    return [step for each in rounds for step in each.steps()]
