"""ZipSeg: object detection and instance segmentation without annotations, for Detectron2.

    from zipseg import Predictor
    predictor = Predictor.from_config("COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml", names=["cat", "dog"])
    predictor("photo.jpg").draw().save("out.jpg")

Taking any of these names but ``get_config_file`` from the package registers its architectures and
parts with Detectron2. They are imported when they are taken, so that ``import zipseg`` is quick.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import add_zip_config
    from .data.vocabulary import use_names
    from .engine.predictor import Prediction, Predictor
    from .labeling.api import label_images
    from .modeling.sam_alone import SamAlone
    from .modeling.zip import Zip
    from .utils.config_files import get_config_file

__version__ = "0.1.0"
__all__ = [
    "Prediction",
    "Predictor",
    "SamAlone",
    "Zip",
    "add_zip_config",
    "get_config_file",
    "label_images",
    "use_names",
]

_HOMES = {
    "Prediction": ".engine.predictor",
    "Predictor": ".engine.predictor",
    "SamAlone": ".modeling.sam_alone",
    "Zip": ".modeling.zip",
    "add_zip_config": ".config",
    "get_config_file": ".utils.config_files",
    "label_images": ".labeling.api",
    "use_names": ".data.vocabulary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zipseg' has no attribute '{name}'")
    if name != "get_config_file":
        require_detectron2()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of dependencies about each other
            import_module(".engine", __name__)  # registers all architectures and parts
            import_module(".zipworld", __name__)  # ... and what ships: data sets and weights
    found = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def require_detectron2() -> None:
    """Raises ImportError that says how to get detectron2 where there is none; imports nothing."""
    if find_spec("detectron2") is None:
        raise ImportError(
            "zipseg needs detectron2, which is not on the Python package index under its name: run "
            "'zipseg install-detectron2' in this environment, 'make setup' in a checkout, or build "
            "the official repository"
        )
