"""CLIP's weights as files: where they come from, and with which activation they were trained.

OpenAI's CLIPs have QuickGELU, x * sigmoid(1.702 x), for an activation, most others GELU; the
tensors of both have the same names and shapes, so that nothing but this module tells them apart.
"""

import contextlib
import json
import logging
import socket
import urllib.request
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import open_clip
import torch
from open_clip.factory import load_state_dict
from torch import Tensor, nn

from ...utils.errors import ConfigError, loading_problem
from ...utils.identity import file_checksum

logger = logging.getLogger(__name__)

# What OpenAI's state dicts hold besides tensors.
_OPENAI_MARKS = ("input_resolution", "context_length", "vocab_size")


def find_clip(arch: str, tag: str) -> str | None:
    """Where open_clip keeps the file of a pretrained tag; None if it is not there. Uses no
    network."""
    known = open_clip.get_pretrained_cfg(arch, tag)
    hub = known.get("hf_hub", "")
    if not hub:
        path = Path("~/.cache/clip").expanduser() / known["url"].rsplit("/", 1)[-1]
        return str(path) if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    repository, _, file = hub.rpartition("/")
    names = [file] if file else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    if file.endswith((".bin", ".pth")):
        names = [f"{file[:-4]}.safetensors", file]
    found = (try_to_load_from_cache(repository, each) for each in names)
    return next((path for path in found if isinstance(path, str)), None)


def fetch_clip(arch: str, tag: str, key: str) -> str:
    """The local file of a pretrained tag, downloaded by open_clip if need be.

    Raises:
        ConfigError: it cannot be had; one line with the way out, at once where there is no
            network.
    """
    path = find_clip(arch, tag)
    if path is not None:
        return path
    try:
        _check_network(arch, tag)
        logger.info("%s: downloading '%s' of %s", key, tag, arch)
        with quiet():
            return str(open_clip.download_pretrained(open_clip.get_pretrained_cfg(arch, tag)))
    except Exception as error:  # whatever the hub's client and its transport raise
        raise ConfigError(
            f"{key}.WEIGHTS",
            f"'{tag}' of {arch} could not be downloaded ({loading_problem(error)}); run "
            "'zipseg download' for this config where there is a network, or give the path of a "
            "checkpoint file",
        ) from error


def _check_network(arch: str, tag: str) -> None:
    """Raises OSError where the host is unknown: the hub's client would ask a dozen times."""
    known = open_clip.get_pretrained_cfg(arch, tag)
    address = known.get("url", "")
    if known.get("hf_hub"):
        from huggingface_hub.constants import ENDPOINT as address
    if not address or urllib.request.getproxies():
        return  # a proxy finds the host
    host = urlsplit(address).hostname
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise OSError(f"{host} cannot be reached: {error.strerror or error}") from error


def tag_has_quick_gelu(arch: str, tag: str) -> bool:
    """Whether the weights of a pretrained tag were trained with QuickGELU."""
    return bool(open_clip.get_pretrained_cfg(arch, tag).get("quick_gelu", tag == "openai"))


def load_clip_file(arch: str, path: str, key: str, quick_gelu: bool | None = None) -> nn.Module:
    """A model with the weights of a file and the activation that they were trained with.

    Args:
        arch: an open_clip architecture.
        path: a checkpoint: tensors, a state dict in OpenAI's form, or one of OpenAI's own files.
        key: the config node both came from, for error messages.
        quick_gelu: what the weights were trained with, None to find out: files in OpenAI's form
            and those beside an ``open_clip_config.json`` tell; others are of ``arch``.

    Raises:
        ConfigError: weights of another architecture, damaged, or trained with GELU where ``arch``
            is a "-quickgelu" one.
    """
    try:
        state = _openai_program(path) if _is_program(path) else None
        marked = state is not None
        if not marked and not path.endswith((".npz", ".npy")):
            marked = any(mark in load_state_dict(path) for mark in _OPENAI_MARKS)
    except Exception as error:
        raise _does_not_fit(arch, path, key, error) from error
    own = bool(open_clip.get_model_config(arch).get("quick_gelu", False))
    told = True if marked else quick_gelu if quick_gelu is not None else _config_beside(path)
    if own and told is False:
        raise ConfigError(
            f"{key}.ARCH",
            f"'{arch}' has QuickGELU and {path} was trained with GELU: take "
            f"'{arch.removesuffix('-quickgelu')}'",
        )
    if told and not own:
        logger.info("%s: %s has QuickGELU, as %s was trained with it", key, arch, path)
    with quiet():
        model = open_clip.create_model(arch, force_quick_gelu=own or bool(told))
    try:
        if marked:
            state = load_state_dict(path) if state is None else state
            tensors = {name: t.float() for name, t in state.items() if name not in _OPENAI_MARKS}
            model.load_state_dict(tensors, strict=True)
        else:
            open_clip.load_checkpoint(model, path, strict=True)
    except Exception as error:  # a stranger's file leads loaders to raise anything
        raise _does_not_fit(arch, path, key, error) from error
    return model


def _does_not_fit(arch: str, path: str, key: str, error: Exception) -> ConfigError:
    if isinstance(error, ConfigError):
        return error
    return ConfigError(
        f"{key}.WEIGHTS",
        f"{path} does not hold the weights of {arch} ({loading_problem(error)}). To mend: set "
        f"{key}.ARCH to the architecture of that file, or download it again.",
    )


def _is_program(path: str) -> bool:
    """Whether a file is a TorchScript archive, as those that OpenAI published are."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _openai_program(path: str) -> dict[str, Tensor]:
    """The tensors of one of OpenAI's own files. Opening a program runs parts of it, so none but
    these, known by their checksum, is opened."""
    if file_checksum(Path(path)) not in _openai_checksums():
        raise ConfigError(
            "WEIGHTS",
            f"{path} is a TorchScript program and none that OpenAI published; it is not opened. "
            "Save its state dict, and give that file",
        )
    return torch.jit.load(path, map_location="cpu").state_dict()


def _openai_checksums() -> set[str]:
    """SHA-256 of OpenAI's files, which their addresses hold."""
    urls = (
        open_clip.get_pretrained_url(arch, "openai")
        for arch in open_clip.list_pretrained_models_by_tag("openai")
    )
    return {url.split("/")[-2] for url in urls if "openaipublic" in url}


def _config_beside(path: str) -> bool | None:
    """``quick_gelu`` of the ``open_clip_config.json`` that hubs have beside weights, if any."""
    try:
        # A hub's description of a network, not a COCO file.
        content = json.loads(Path(path).with_name("open_clip_config.json").read_text())
        return bool(content["model_cfg"].get("quick_gelu", False))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that open_clip logs (by the root logger, which it gives a handler) or warns of: it
    calls every model random whose weights it has not loaded itself."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        root.handlers[:] = handlers
