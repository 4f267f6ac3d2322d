"""ZipSeg: object detection and instance segmentation without annotations, for Detectron2.

Importing the package registers the meta-architectures ``Zip`` and ``SamAlone``.
"""

try:
    import detectron2  # noqa: F401
except ImportError as error:
    raise ImportError(
        "zipseg needs detectron2, which is not on the Python package index under its name. "
        "In a checkout of this project run 'make setup' (a virtual environment with everything), "
        "or 'python tools/install_detectron2.py' for your own environment, or build the official "
        "repository as README.md describes."
    ) from error

from .config import add_zip_config
from .modeling.sam_alone import SamAlone
from .modeling.zip import Zip

__version__ = "0.1.0"
__all__ = ["SamAlone", "Zip", "add_zip_config"]
