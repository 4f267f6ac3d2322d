"""Running models: config files, inference, training with its hooks, and checkpoints.

Importing the folder registers ``Zip``, ``SamAlone`` and the detectors' parts. Imports ``utils`` to
``visualization``.
"""

from ..modeling import detectors, sam_alone, zip  # noqa: F401
