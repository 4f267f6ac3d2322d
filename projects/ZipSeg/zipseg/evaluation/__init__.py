"""Evaluation as the field does it: protocols, matching, intervals, and reports of all of it.

Reads files and ``Instances``, never models. Imports ``utils`` and ``data``.
"""

from .evaluator import InstanceEvaluator, build_evaluators, evaluate_files
from .protocols import PROTOCOLS

__all__ = ["PROTOCOLS", "InstanceEvaluator", "build_evaluators", "evaluate_files"]
