"""Promptable segmenters behind one contract, by name in ``SEGMENTER_REGISTRY``.

``encode`` an image once, ``decode`` boxes and points as often as you like.
"""

from .contract import SEGMENTER_REGISTRY, Encoded, Prompting, Segmenter, build_segmenter
from .hq_sam import HQSAM
from .mobile_sam import MobileSAM
from .sam import SegmentAnything
from .sam2 import SAM2

__all__ = [
    "HQSAM",
    "SAM2",
    "SEGMENTER_REGISTRY",
    "Encoded",
    "MobileSAM",
    "Prompting",
    "SegmentAnything",
    "Segmenter",
    "build_segmenter",
]
