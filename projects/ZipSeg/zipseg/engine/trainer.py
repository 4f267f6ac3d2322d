"""Detectron2's trainer with label files, resumable batches and the project's evaluators."""

import logging
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, hooks
from detectron2.evaluation import DatasetEvaluators
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..data.vocabulary import training_classes
from ..evaluation.evaluator import build_evaluators
from ..modeling.detectors.checks import check_parts
from ..utils.errors import ZipSegError
from .checkpoint import Checkpointer
from .ema import EmaTeacher
from .inference import training_free
from .loader import build_image_loader
from .optimizer import build_named_optimizer
from .schedule import follow_batch_size, steps_within
from .stream import TrainingStream, build_training_stream


class Trainer(DefaultTrainer):
    """Trains what ``cfg`` says; ``train()`` returns the last evaluation's results.

    With SEED set and the generators seeded by Detectron2's ``default_setup``, the same config gives
    the same weights on the CPU, interrupted or not.

    Raises:
        ConfigError: before anything is built, for a config that cannot be trained.
    """

    def __init__(self, cfg: CfgNode) -> None:
        check_parts(cfg)
        self.classes = training_classes(cfg)
        super().__init__(steps_within(follow_batch_size(cfg)))

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        return build_named_optimizer(cfg, model)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> TrainingStream:
        return build_training_stream(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str):
        if training_free(cfg):
            return build_image_loader(cfg, dataset_name)
        return super().build_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluators:
        folder = Path(dataset_name).stem if dataset_name.endswith(".json") else dataset_name
        return build_evaluators(cfg, dataset_name, f"{cfg.OUTPUT_DIR}/inference/{folder}")

    def build_hooks(self) -> list[hooks.HookBase]:
        """Detectron2's, with the teacher before those that save and evaluate."""
        model = _unwrapped(self.model)
        self.teacher = EmaTeacher.from_config(self.cfg, model)
        self.checkpointer = Checkpointer(
            model,
            self.cfg.OUTPUT_DIR,
            classes=self.classes,
            adapt=True,
            teacher=self.teacher,
            trainer=weakref.proxy(self),
        )
        found = super().build_hooks()
        if self.teacher is None:
            return found
        return [
            self.teacher,
            *(
                hooks.EvalHook(self.cfg.TEST.EVAL_PERIOD, self._evaluate_teacher)
                if isinstance(hook, hooks.EvalHook)
                else hook
                for hook in found
                if hook is not None
            ),
        ]

    def _evaluate_teacher(self) -> Mapping[str, Any]:
        with self.teacher.in_place():
            self._last_eval_results = self.test(self.cfg, self.model)
        return self._last_eval_results

    def resume_or_load(self, resume: bool = True) -> None:
        super().resume_or_load(resume)
        self.data_loader.start_iteration = self.start_iter

    def train(self) -> Mapping[str, Any]:
        # Detectron2 logs whatever ends training with its traceback: the user's own errors have a
        # message that is told at the end.
        told = logging.getLogger("detectron2.engine.train_loop")
        told.addFilter(_is_no_users_error)
        try:
            super().train()
        finally:
            told.removeFilter(_is_no_users_error)
        return getattr(self, "_last_eval_results", {})

    def state_dict(self) -> dict[str, Any]:
        """Detectron2 0.6 forgets the optimizer's state, later versions keep it."""
        return super().state_dict() | {"_trainer": self._trainer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._trainer.load_state_dict(state["_trainer"])
        super().load_state_dict(state)


def _is_no_users_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ZipSegError))


def _unwrapped(model: nn.Module) -> nn.Module:
    return model.module if isinstance(model, DistributedDataParallel) else model
