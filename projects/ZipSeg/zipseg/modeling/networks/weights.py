"""Weights by their real names: tags, files and URLs to loaded models, or one clear error."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

import open_clip
import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import Sam
from torch import Tensor, nn

from ...utils.download import DownloadError, RemoteFile, cache_folder, fetch
from ...utils.errors import ConfigError, loading_problem
from .clip_files import fetch_clip, load_clip_file, quiet, tag_has_quick_gelu

logger = logging.getLogger(__name__)


class ShippedWeights(NamedTuple):
    """Weights that come with a package; both raise ConfigError for the key of an architecture or
    type that they are not for."""

    clip: Callable[[str, str], nn.Module]  # of an architecture's name and the key that gave it
    sam: Callable[[str, str], Sam]  # of a type's name and the key that gave it


_SHIPPED: dict[str, ShippedWeights] = {}
_SAM_TYPES: dict[str, Callable[[], Sam]] = dict(sam_model_registry)


def register_weights(name: str, weights: ShippedWeights) -> None:
    """Makes a config's WEIGHTS ``name`` stand for weights that a package brings."""
    _SHIPPED[name] = weights


def is_shipped(name: str) -> bool:
    """Whether a config's WEIGHTS stands for weights that a package brings."""
    return name in _SHIPPED


def register_sam_type(name: str, build: Callable[[], Sam]) -> None:
    """Makes a SAM architecture known by a name of its own, besides segment_anything's."""
    _SAM_TYPES[name] = build


def load_clip(arch: str, weights: str, key: str) -> tuple[nn.Module, Callable]:
    """An open_clip model in evaluation mode, fp32, and its tokenizer.

    Args:
        arch: an open_clip architecture, such as "RN50x64".
        weights: a pretrained tag of that architecture, a checkpoint file or URL, a name of
            ``register_weights``, or "random".
        key: the config node both came from, for error messages.

    Raises:
        ConfigError: unknown architecture; weights that are neither tag nor file, unreadable, or
            of another architecture. A half-loaded model is never returned.
    """
    if arch not in open_clip.list_models():
        raise ConfigError(
            f"{key}.ARCH",
            f"'{arch}' is not an architecture of open_clip; "
            "'python -c \"import open_clip; print(open_clip.list_models())\"' lists them.",
        )
    tokenizer = open_clip.get_tokenizer(arch)
    if weights == "random":
        model = _random(lambda: open_clip.create_model(arch), key)
    elif weights in _SHIPPED:
        model = _SHIPPED[weights].clip(arch, f"{key}.ARCH")
    else:
        tags = open_clip.list_pretrained_tags_by_model(arch)
        if weights in tags:
            path, quick = fetch_clip(arch, weights, key), tag_has_quick_gelu(arch, weights)
        else:
            named = f"a pretrained tag of {arch} ({', '.join(tags) or 'none'})"
            path, quick = local_file(weights, f"{key}.WEIGHTS", named), None
        model = load_clip_file(arch, path, key, quick)
    return model.eval().requires_grad_(False), tokenizer


def shipped_weights(name: str) -> ShippedWeights | None:
    """What ``register_weights`` knows by a name."""
    return _SHIPPED.get(name)


def sam_types() -> dict[str, Callable[[], Sam]]:
    """SAM's architectures by name: segment_anything's and those of ``register_sam_type``."""
    return dict(sorted(_SAM_TYPES.items()))


def load_weights(
    build: Callable[[], nn.Module],
    weights: str,
    key: str,
    what: str,
    renamed: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict,
) -> nn.Module:
    """A model in evaluation mode with the weights of a file, or untrained ones.

    Args:
        build: makes the model.
        weights: a checkpoint file or URL, or "random".
        key: the config node that ``weights`` came from, for error messages.
        what: what the model is, for the same.
        renamed: a checkpoint's parameters by the model's names.

    Raises:
        ConfigError: the weights cannot be had, or are not this model's.
    """
    if weights == "random":
        return _random(build, key).eval().requires_grad_(False)
    named = " or ".join(f"'{name}'" for name in ("auto", *_SHIPPED, "random"))
    path = local_file(weights, f"{key}.WEIGHTS", named)
    model = build()
    _guarded(
        lambda: model.load_state_dict(
            renamed(open_clip.factory.load_state_dict(path)), strict=True
        ),
        f"{key}.WEIGHTS",
        f"{path} does not hold the weights of {what}",
        f"set {key}.TYPE to the type of that file, or download it again",
    )
    return model.eval().requires_grad_(False)


def local_file(weights: str, key: str, otherwise: str) -> str:
    """The local path of a file or URL.

    Raises:
        ConfigError: there is no such file and it cannot be downloaded.
    """
    if not weights:
        raise ConfigError(key, f"is empty; give a checkpoint file, a URL, or {otherwise}")
    if weights.startswith(("http://", "https://")):
        try:
            return str(fetch(remote_file(weights), cache_folder("weights")))
        except DownloadError as error:
            raise ConfigError(key, f"'{weights}' could not be fetched: {error}") from error
    path = os.path.expanduser(weights)
    if not os.path.isfile(path):
        raise ConfigError(
            key, f"'{weights}' is neither an existing file nor {otherwise}; mend the path"
        )
    return path


def remote_file(url: str) -> RemoteFile:
    """A file known by nothing but its address; two addresses never share a name in the cache."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return RemoteFile(f"{digest}-{PurePosixPath(urlsplit(url).path).name}", url)


def _random(build: Callable[[], nn.Module], key: str) -> nn.Module:
    """Untrained, but the same in every run."""
    logger.warning("%s.WEIGHTS is 'random': the output of this model means nothing.", key)
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        return build()


def _guarded(load: Callable, key: str, problem: str, remedy: str):
    try:
        return load()
    except ConfigError:
        raise
    except Exception as error:  # a stranger's file leads loaders to raise anything
        raise ConfigError(
            key, f"{problem} ({loading_problem(error)}). To mend: {remedy}."
        ) from error


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
