"""Running models: config files, inference, training with its hooks, and checkpoints.

Importing the folder registers the detectors' parts. Imports ``utils`` to ``visualization``.
"""

from ..modeling import detectors  # noqa: F401
