"""One mask's polygons or run-length encoding: mended by the rules, or refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as mask_util

from .rules import Tally
from .runs import Decoded, decode
from .values import LONGEST, Unusable, is_number, is_whole

DAMAGED = "segmentation is damaged RLE, not of exactly its image's pixels"
Size = tuple[int, int]  # height, width in pixels


def mended(where: str, mask: object, size: Size, tally: Tally) -> list | dict | None:
    """A list of polygons of at least three points, compressed RLE, or None where nothing is left.

    Raises:
        Unusable: it is neither, or of another size than the image. Whether compressed RLE has the
            image's number of pixels is left to ``damaged``, which is fast for many.
    """
    if mask is None or mask in ([], {}):
        return None
    if isinstance(mask, dict):
        return _rle(where, mask, size)
    if isinstance(mask, list):
        return _polygons(where, mask, tally)
    raise Unusable(f"{where}: segmentation is neither polygons nor RLE")


def compressed(mask: list | dict, size: Size) -> dict:
    """Polygons or RLE as compressed RLE, ``counts`` in ASCII."""
    if isinstance(mask, dict) and not isinstance(mask["counts"], list):
        return mask
    rle = mask_util.frPyObjects(mask, *size)
    rle = mask_util.merge(rle) if isinstance(rle, list) else rle
    return {"size": list(size), "counts": rle["counts"].decode()}


def _rle(where: str, mask: dict, size: Size) -> dict:
    counts, height, width = mask.get("counts"), *size
    if mask.get("size") != [height, width]:
        raise Unusable(
            f"{where}: segmentation is RLE of size {mask.get('size')}, but its image is "
            f"{[height, width]} (height, width)"
        )
    if isinstance(counts, bytes):  # as pycocotools has them in memory
        counts = counts.decode("ascii", "replace")
    if isinstance(counts, list):
        if not all(is_whole(x) and x >= 0 for x in counts):
            raise Unusable(f"{where}: segmentation: RLE counts that are not whole numbers")
        total = sum(counts)
    elif isinstance(counts, str):
        total = height * width if counts and counts.isascii() else -1  # runs: see ``damaged``
    else:
        raise Unusable(f"{where}: segmentation: RLE without counts")
    if total != height * width:
        raise Unusable(f"{where}: {DAMAGED}")
    return compressed({"size": [height, width], "counts": counts}, size)


def _polygons(where: str, mask: list, tally: Tally) -> list | None:
    if all(map(is_number, mask)):  # some tools forget the outer list
        mask = [mask]
        tally["flat"] += 1
    elif len(mask) > 2 and all(isinstance(p, list) and len(p) == 2 for p in mask):  # points
        mask = [[x for point in mask for x in point]]
        tally["flat"] += 1
    for part in mask:
        if not isinstance(part, list) or len(part) % 2 or not all(map(is_number, part)):
            raise Unusable(
                f"{where}: segmentation has a polygon that is not x, y, x, y, ... in numbers"
            )
        if part and max(map(abs, part)) > LONGEST:
            raise Unusable(f"{where}: segmentation has a polygon far outside of the image")
    kept = [part for part in mask if len(part) >= 6]
    tally["part"] += len(mask) - len(kept)
    return kept or None


def damaged(masks: Sequence[dict]) -> np.ndarray:
    """int64 [*], which of some compressed RLEs are not of exactly their image's pixels."""
    return decoded(masks).damaged.nonzero()[0]


def decoded(masks: Sequence[dict]) -> Decoded:
    """Areas, boxes and soundness of compressed RLEs."""
    texts = [mask["counts"].encode() for mask in masks]
    ends = np.cumsum([0, *map(len, texts)])
    chars = np.stack([ends[:-1], ends[1:]], axis=1)
    size = np.array([mask["size"] for mask in masks], np.int64).reshape(-1, 2)
    return decode(np.frombuffer(b"".join(texts), np.uint8), chars, size)
