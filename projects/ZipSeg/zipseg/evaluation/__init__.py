"""Evaluation as the field does it. Reads files and ``Instances``, never models."""

from .evaluator import InstanceEvaluator, build_evaluators, evaluate_files
from .protocols import PROTOCOLS

__all__ = ["PROTOCOLS", "InstanceEvaluator", "build_evaluators", "evaluate_files"]
