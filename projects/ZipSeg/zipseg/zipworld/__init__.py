"""ZipWorld: small drawn scenes with exact ground truth, and small networks that know them.

Importing the folder registers its data sets with Detectron2 and its weights with
``modeling.networks.weights``. Imports ``utils`` to ``self_training``; only ``experiments`` and the
command lines import it.
"""

from .networks import register_networks
from .scenes import register_zipworld

register_networks()
register_zipworld()
