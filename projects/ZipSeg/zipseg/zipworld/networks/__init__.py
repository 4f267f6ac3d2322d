"""The small CLIPs and SAM of ZipWorld that ship with the package.

Trained from scratch on ZipWorld's pre-training scenes (``zipseg.zipworld.pretraining``); the model
cards beside the weights say how and how well. They know patterned cushions and nothing else.
"""

from .architectures import ARCHITECTURES, build_sam
from .loading import (
    embedded_clip,
    embedded_sam,
    load_embedded_clip,
    load_embedded_sam,
    register_networks,
)

__all__ = [
    "ARCHITECTURES",
    "build_sam",
    "embedded_clip",
    "embedded_sam",
    "load_embedded_clip",
    "load_embedded_sam",
    "register_networks",
]
