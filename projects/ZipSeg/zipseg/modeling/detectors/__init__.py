"""Parts of detectors that learn from noisy labels, which Detectron2's registries know by name.

Importing the folder registers them; those for CenterNet2 need the ``centernet2`` package. Imports
``utils``, ``data``, and of ``modeling`` the networks and ``build``.
"""

from importlib.util import find_spec

from . import (  # noqa: F401
    backbone,
    clip_backbone,
    clip_roi_heads,
    mask_head,
    prompted_rcnn,
    roi_heads,
    rpn,
)

if find_spec("centernet"):
    from . import centernet2  # noqa: F401
