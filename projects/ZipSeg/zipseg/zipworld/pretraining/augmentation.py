"""Augmentations: most keep every caption true (nothing leaves the picture, no colour changes)."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32) * 255  # CLIP's
_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32) * 255

_TINY = 65  # pixels; smaller pictures would lose their patterns if they were made coarser still


def clip_batch(images: Sequence[np.ndarray], size: int, rng: np.random.Generator | None) -> Tensor:
    """Normalised input of a CLIP, float32 [B, 3, size, size].

    Args:
        images: B pictures, uint8 [S, S, 3] RGB of any side.
        size: side in pixels.
        rng: augments if given: a turn or flip, a reflected border that makes the scene smaller,
            brightness, contrast, noise, and a coarser picture; tiny ones are neither shrunk nor
            coarser. An object keeps its name under each of them.
    """
    out = np.empty((len(images), size, size, 3), np.float32)
    for target, image in zip(out, images, strict=True):
        target[:] = _shrunk(image, size, rng) if rng else _resized(image, size)
    if rng:
        shade = rng.uniform(0.8, 1.2, (len(out), 1, 1, 1)).astype(np.float32)
        shift = rng.uniform(-15, 15, (len(out), 1, 1, 1)).astype(np.float32)
        strength = rng.uniform(0, 8, (len(out), 1, 1, 1)).astype(np.float32)
        out = out * shade + shift + strength * rng.standard_normal(out.shape, np.float32)
        out = out.clip(0, 255)
    return torch.from_numpy((out - _MEAN) / _STD).permute(0, 3, 1, 2)


def false_colours(images: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Pictures as a developer might print them: each channel a random mixture of the three, so that
    patterns stay and colours tell nothing.

    Args:
        images: uint8 [S, S, 3] of any side.
        rng: decides the mixtures, one a picture.
    """
    mixtures = rng.dirichlet((1, 1, 1), (len(images), 3)).astype(np.float32)
    return [cv2.transform(image, m) for image, m in zip(images, mixtures, strict=True)]


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    shrinking = size < image.shape[0]
    return cv2.resize(
        image, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    )


def _shrunk(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    if size < _TINY:
        return _resized(turned(image, int(rng.integers(8))), size)
    inner = size - int(rng.integers(0, size // 5 + 1)) if rng.random() < 0.5 else size
    if rng.random() < 0.3:
        image = _resized(image, max(inner // 2, int(inner * rng.uniform(0.6, 1))))
    image = _resized(turned(image, int(rng.integers(8))), inner)
    top, left = rng.integers(0, size - inner + 1, 2).tolist()
    margins = (top, size - inner - top, left, size - inner - left)
    return cv2.copyMakeBorder(image, *margins, cv2.BORDER_REFLECT_101)


def turned(image: np.ndarray, which: int) -> np.ndarray:
    """One of the eight turns and flips of an array [H, W, ...]; ``which`` in 0..7."""
    image = np.rot90(image, which % 4)
    return np.ascontiguousarray(image[:, ::-1] if which >= 4 else image)
