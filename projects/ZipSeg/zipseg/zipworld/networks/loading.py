"""Loads the shipped weights: checksummed fp16 safetensors beside this file."""

import hashlib
import json

import open_clip
from safetensors.torch import load
from segment_anything.modeling import Sam
from torch import Tensor

from ...modeling.networks.weights import ShippedWeights, register_sam_type, register_weights
from ...utils.errors import ConfigError, ZipSegError
from .architectures import ARCHITECTURES, FOLDER, PARTS, build_clip, build_sam, build_tokenizer
from .packing import unpack

CHECKSUMS = FOLDER / "checksums.json"


def register_networks() -> None:
    """Makes the architectures known by name and "embedded" the name of their weights."""
    if not all(path.stem in open_clip.list_models() for path in ARCHITECTURES):
        for path in ARCHITECTURES:
            open_clip.add_model_config(path)
    register_sam_type("zipworld", build_sam)
    register_weights("embedded", ShippedWeights(load_embedded_clip, load_embedded_sam))


def embedded_clip(part: str) -> tuple[open_clip.CLIP, open_clip.SimpleTokenizer]:
    """The small CLIP of ZipWorld, fp32 in evaluation mode, and its tokenizer.

    Args:
        part: "vit" or "resnet", the image tower.

    Raises:
        KeyError: another ``part``.
        ZipSegError: the weights are missing or damaged.
    """
    arch = PARTS[part]
    return load_embedded_clip(arch, "part"), build_tokenizer(arch)


def embedded_sam() -> Sam:
    """The small SAM of ZipWorld, fp32 in evaluation mode; errors as for ``embedded_clip``."""
    sam = build_sam()
    sam.load_state_dict(unpack(read_weights(PARTS["sam"])), strict=True)
    return sam.eval()


def load_embedded_clip(arch: str, key: str) -> open_clip.CLIP:
    """The CLIP that an architecture's name stands for.

    Args:
        arch: a stem of ``ARCHITECTURES``.
        key: the config key that named it, for the error message.

    Raises:
        ConfigError: there are no embedded weights of this architecture.
    """
    known = [path.stem for path in ARCHITECTURES]
    if arch not in known:
        raise ConfigError(
            key, f"there are embedded weights only for {', '.join(known)}, not '{arch}'"
        )
    model = build_clip(arch)
    model.load_state_dict(unpack(read_weights(arch), model.vocab_size), strict=True)
    return model.eval()


def load_embedded_sam(model_type: str, key: str) -> Sam:
    """The SAM that a type's name stands for; arguments and errors as for ``load_embedded_clip``."""
    if model_type != "zipworld":
        raise ConfigError(key, f"there are embedded weights only for zipworld, not '{model_type}'")
    return embedded_sam()


def read_weights(name: str) -> dict[str, Tensor]:
    """The tensors of a shipped file after its checksum was verified.

    Raises:
        ZipSegError: the file is missing, or not the one that was shipped.
    """
    path = FOLDER / f"{name}.safetensors"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ZipSegError(f"{path}: {error.strerror}; install the package again") from error
    # The package's own file, not a COCO file.
    if hashlib.sha256(content).hexdigest() != json.loads(CHECKSUMS.read_text())[path.name]:
        raise ZipSegError(f"{path}: the file is damaged; install the package again")
    return load(content)
