"""Checkpoints that are written whole, hold no code, and fit or say why not."""

import logging
import os
import pickle
import re
from typing import Any

import torch
from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

from ..utils.errors import ConfigError, loading_problem
from ..utils.files import replacing, write_atomically
from .ema import EmaTeacher

logger = logging.getLogger(__name__)

KEY = "MODEL.WEIGHTS"
# The layers whose size is the number of classes: of boxes, of cascades' boxes, of masks.
_PREDICTORS = re.compile(
    r"roi_heads\.(box_predictor\.(\d+\.)?(cls_score|bbox_pred)|mask_head\.predictor)\."
)

# What PyTorch and Detectron2 fill in by themselves when a checkpoint lacks it.
_NEVER_MISSING = ("pixel_mean", "pixel_std", "num_batches_tracked")


class Checkpointer(DetectionCheckpointer):
    """Detectron2's checkpointer that refuses what does not fit.

    Weights for a backbone alone, such as those of Detectron2's model zoo for ImageNet, may leave
    the rest of the model as it is.

    Args:
        model, save_dir, checkpointables: as Detectron2's.
        classes: the names of the model's classes; kept in the checkpoints and compared with theirs.
        adapt: weights that start a new training (``checkpointables=[]``) may be of other classes;
            the predictors' layers that do not fit then keep their initialisation.
        teacher: whose weights the checkpoints' "model" holds instead of the model's own.
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str = "",
        *,
        classes: tuple[str, ...] | None = None,
        adapt: bool = False,
        teacher: EmaTeacher | None = None,
        **checkpointables: Any,
    ) -> None:
        super().__init__(model, save_dir, **checkpointables)
        self.classes, self.adapt, self.teacher = classes, adapt, teacher
        self._starting = False

    def save(self, name: str, **kwargs: Any) -> None:
        """Writes ``name.pth`` into the folder and makes it the one to resume from."""
        if not self.save_dir or not self.save_to_disk:
            return
        weights = self.model.state_dict() if self.teacher is None else self.teacher.weights
        content = {"model": weights, **kwargs}
        if self.classes is not None:
            content["classes"] = list(self.classes)
        content |= {key: part.state_dict() for key, part in self.checkpointables.items()}
        path = os.path.join(self.save_dir, f"{name}.pth")
        logger.info("Saving checkpoint to %s", path)
        with replacing(path) as file:
            torch.save(content, file)
        self.tag_last_checkpoint(os.path.basename(path))

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Names the checkpoint to resume from."""
        path = os.path.join(self.save_dir, "last_checkpoint")
        write_atomically(path, last_filename_basename.encode())

    def load(self, path: str, checkpointables: list[str] | None = None) -> dict[str, Any]:
        """As Detectron2's.

        Raises:
            ConfigError: no checkpoint, a damaged one, or one that does not fit the model.
        """
        self._starting = checkpointables is not None
        try:
            return super().load(path, checkpointables)
        except ConfigError as error:
            raise ConfigError(KEY, str(error).replace(f"{KEY}: ", f"{path} ")) from error
        except Exception as error:  # missing, truncated, or not a checkpoint at all
            raise ConfigError(KEY, f"{path} cannot be loaded ({loading_problem(error)})") from error

    def _load_file(self, filename: str) -> dict[str, Any]:
        if filename.endswith(".pkl"):
            return _read_arrays(filename)
        loaded = torch.load(filename, map_location="cpu", weights_only=True)
        return loaded if "model" in loaded else {"model": loaded}

    def _load_model(self, checkpoint: dict[str, Any]):
        classes = checkpoint.get("classes")
        adapting = self.adapt and self._starting
        notes = []
        if self.classes is not None and classes is not None and tuple(classes) != self.classes:
            if not adapting:
                raise ConfigError(
                    KEY,
                    f"was trained for {_listed(classes)}, not for {_listed(self.classes)}; "
                    "use it with its own names, or train it on these",
                )
            notes = [name for name in checkpoint["model"] if _PREDICTORS.match(name)]
            for name in notes:
                del checkpoint["model"][name]
        backbone_only = checkpoint.get("matching_heuristics", False)
        before = set(checkpoint["model"])
        found = super()._load_model(checkpoint)
        wrong = {name: f"{old} there, {new} here" for name, old, new in found.incorrect_shapes}
        if backbone_only:
            read = set(self.model.state_dict()) - set(found.missing_keys)
            if all(name.endswith(_NEVER_MISSING) for name in read):
                raise ConfigError(KEY, "holds nothing of the model")
        else:
            missing = set(found.missing_keys) - before - set(notes)
            wrong |= dict.fromkeys(missing, "missing there")
            wrong |= dict.fromkeys(found.unexpected_keys, "unknown here")
        if adapting:
            notes += [name for name in wrong if _PREDICTORS.match(name)]
            wrong = {name: problem for name, problem in wrong.items() if name not in notes}
        if wrong:
            shown = ", ".join(f"{name} ({wrong[name]})" for name in sorted(wrong)[:3])
            raise ConfigError(
                KEY,
                f"does not fit the detector in {len(wrong)} places: {shown}; use the config that "
                "it was trained with",
            )
        if notes:
            logger.warning(
                "The checkpoint is for other classes (%s); these layers are trained anew: %s",
                "unnamed" if classes is None else _listed(classes),
                ", ".join(sorted(notes)),
            )
        for names in (found.incorrect_shapes, found.missing_keys, found.unexpected_keys):
            names.clear()  # said already, or wanted
        return found


def _listed(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} classes ({shown})"


class _ArraysOnly(pickle.Unpickler):
    """Reads pickled dictionaries of numpy arrays, and refuses to run anything else."""

    _ALLOWED = frozenset(
        (f"numpy{core}", name)
        for core in ("", ".core.multiarray", "._core.multiarray")
        for name in ("ndarray", "dtype", "_reconstruct", "scalar")
    ) | {("_codecs", "encode"), ("collections", "OrderedDict")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"holds {module}.{name}, which is no array")
        return super().find_class(module, name)


def _read_arrays(filename: str) -> dict[str, Any]:
    """The weights of Detectron2's model zoo: its own format, or Caffe2's blobs."""
    with open(filename, "rb") as file:
        content = _ArraysOnly(file, encoding="latin1").load()
    if "model" in content and "__author__" in content:
        return content
    blobs = content.get("blobs", content)
    weights = {name: value for name, value in blobs.items() if not name.endswith("_momentum")}
    return {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}
