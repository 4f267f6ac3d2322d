"""Training on noisy labels: parts that Detectron2's registries know by name, mappers and hooks.

Importing the package registers the parts. Those for CenterNet2 need the ``centernet2`` package.
"""

from importlib.util import find_spec

from . import backbone, clip_backbone, clip_roi_heads, mask_head, roi_heads, rpn  # noqa: F401

if find_spec("centernet"):
    from . import centernet2  # noqa: F401
