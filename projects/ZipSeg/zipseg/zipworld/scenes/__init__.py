"""ZipWorld: small procedural scenes of touching patterned cushions with exact ground truth."""

from .dataset import ensure_rendered, register_zipworld
from .scene import Scene, render_scene, scene_for
from .splits import CATEGORY_NAMES, EVALUATION_SPLITS, SPLITS, UNSEEN_NAMES

__all__ = [
    "CATEGORY_NAMES",
    "EVALUATION_SPLITS",
    "SPLITS",
    "UNSEEN_NAMES",
    "Scene",
    "ensure_rendered",
    "register_zipworld",
    "render_scene",
    "scene_for",
]
