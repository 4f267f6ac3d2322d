"""Command lines as steps that are done once: what self-training and the tables are run by."""

from .programs import Launch, Programs
from .runner import Pipeline
from .step import Step, StepError

__all__ = ["Launch", "Pipeline", "Programs", "Step", "StepError"]
