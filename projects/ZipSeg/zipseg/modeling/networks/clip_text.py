"""Text embeddings of category names: prompt ensemble and cache on disk."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import open_clip
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from tqdm import tqdm

from ...utils.errors import CannotWrite, ConfigError
from ...utils.files import write_atomically
from .weights import fingerprint

logger = logging.getLogger(__name__)

# CLIP Surgery's: OpenAI's 80 ImageNet templates and five of its own.
DEFAULT_TEMPLATES = (
    *(template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES),
    "there is a {} in the scene.",
    "there is the {} in the scene.",
    "this is a {} in the scene.",
    "this is the {} in the scene.",
    "this is one {} in the scene.",
)

_PROMPTS_AT_ONCE = 512


class TextEncoder:
    """Turns names into embeddings with one CLIP's text tower.

    Args:
        model: an open_clip model.
        tokenizer: its tokenizer.
        arch: its architecture's name, part of the cache's key.
        templates: prompts with one "{}" each; empty for ``DEFAULT_TEMPLATES``.
        cache_dir: where embeddings are kept; "" for nowhere.

    Raises:
        ConfigError: a template without "{}".
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Callable,
        arch: str,
        templates: Sequence[str] = (),
        cache_dir: str = "",
    ) -> None:
        self.templates = tuple(templates) or DEFAULT_TEMPLATES
        for template in self.templates:
            if template.count("{}") != 1:
                raise ConfigError(
                    "MODEL.ZIP.TEXT.TEMPLATES", f"'{template}' needs exactly one {{}}"
                )
        self._model, self._tokenizer, self._arch = model, tokenizer, arch
        self._cache = Path(cache_dir).expanduser() if cache_dir else None

    def encode(self, names: Sequence[str]) -> Tensor:
        """Unit embeddings [len(names), D] float32 on the CPU: the renormalised mean of the unit
        embeddings of each name in all templates (CLIP's prompt ensemble)."""
        if self._cache is None:
            return self._encode(names)
        path = self._cache / f"{self._key(names)}.safetensors"
        try:
            return load_file(path)["embedding"]
        except (OSError, SafetensorError, KeyError) as error:
            if path.exists():
                logger.warning("Encoding the names again: %s is unreadable (%s).", path, error)
        embedding = self._encode(names)
        try:
            write_atomically(path, save({"embedding": embedding}))
        except CannotWrite as error:
            logger.warning("Text embeddings are not cached: %s", error)
        return embedding

    def too_long(self, names: Sequence[str]) -> list[str]:
        """The names that CLIP's context cuts off in the longest template: more words change
        nothing there."""
        template = max(self.templates, key=len)
        rows = self._tokenizer([template.replace("{}", name) for name in names])
        longer = self._tokenizer([template.replace("{}", f"{name} and more") for name in names])
        return [
            name
            for name, row, more in zip(names, rows, longer, strict=True)
            if torch.equal(row, more)
        ]

    def _key(self, names: Sequence[str]) -> str:
        text_tower = nn.Module()
        for name, module in self._model.named_children():
            if name != "visual":
                text_tower.add_module(name, module)
        for name, parameter in self._model.named_parameters(recurse=False):
            text_tower.register_parameter(name, parameter)
        parts = [self._arch, fingerprint(text_tower), list(self.templates), list(names)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @torch.no_grad()
    def _encode(self, names: Sequence[str]) -> Tensor:
        device = next(self._model.parameters()).device
        names_at_once = max(1, _PROMPTS_AT_ONCE // len(self.templates))
        starts = range(0, len(names), names_at_once)
        rows = []
        for start in tqdm(starts, desc="Encoding names", disable=len(starts) < 20):
            chunk = names[start : start + names_at_once]
            prompts = [
                template.replace("{}", name) for name in chunk for template in self.templates
            ]
            embedding = self._model.encode_text(self._tokenizer(prompts).to(device)).float()
            embedding = nn.functional.normalize(embedding, dim=-1)
            embedding = embedding.reshape(len(chunk), len(self.templates), -1).mean(dim=1)
            rows.append(nn.functional.normalize(embedding, dim=-1).cpu())
        return torch.cat(rows)
