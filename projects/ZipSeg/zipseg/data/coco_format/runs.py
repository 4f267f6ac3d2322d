"""COCO's compressed run-length encoding, many masks at once.

A mask's pixels column by column are runs of zeros and ones in turn, zeros first. A run is written
as characters of 5 bits from the lowest, 0x20 where more follow, in two's complement; from the
fourth run on it is the difference to the last but one (pycocotools' maskApi.c).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_TOGETHER = 1 << 18  # characters


class Decoded(NamedTuple):
    """What the runs of N masks tell."""

    area: np.ndarray  # float64 [N], pixels
    box: np.ndarray  # float64 [N, 4], XYWH in pixels; zeros for an empty mask
    damaged: np.ndarray  # bool [N], not of exactly the image's pixels


def decode(text: np.ndarray, chars: np.ndarray, size: np.ndarray) -> Decoded:
    """Areas and boxes of masks.

    Args:
        text: uint8 [C], characters of all masks.
        chars: int64 [N, 2], of each mask the first character and one past the last; none empty.
        size: int64 [N, 2], height and width in pixels.
    """
    ends = np.cumsum(chars[:, 1] - chars[:, 0])
    cuts = np.searchsorted(ends, np.arange(_TOGETHER, ends[-1] if len(ends) else 0, _TOGETHER))
    parts = [Decoded(np.zeros(0), np.zeros((0, 4)), np.zeros(0, bool))]
    for rows in np.split(np.arange(len(chars)), np.unique(cuts)):
        if len(rows):
            parts.append(
                _decode(_gathered(text, chars[rows]), np.diff(chars[rows])[:, 0], size[rows])
            )
    return Decoded(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _gathered(text: np.ndarray, chars: np.ndarray) -> np.ndarray:
    if (chars[1:, 0] == chars[:-1, 1]).all():
        return text[chars[0, 0] : chars[-1, 1]]
    return np.concatenate([text[begin:end] for begin, end in chars])


def _decode(text: np.ndarray, count: np.ndarray, size: np.ndarray) -> Decoded:
    found = _lengths(text, count)
    if found is None:  # one at a time, to know which are damaged
        if len(count) == 1:
            return Decoded(np.zeros(1), np.zeros((1, 4)), np.ones(1, bool))
        texts = np.split(text, np.cumsum(count)[:-1])
        parts = [_decode(t, count[i : i + 1], size[i : i + 1]) for i, t in enumerate(texts)]
        return Decoded(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    runs, begin = found
    height, width = size.T
    damaged = np.add.reduceat(runs, begin) != height * width
    damaged |= np.minimum.reduceat(runs, begin) < 0
    # Ends of runs within each mask; a foreground run is pixels [start, end) column by column.
    end = np.cumsum(runs)
    before = np.concatenate([[0], end])[begin]
    number = np.diff(begin, append=len(runs))
    mask = np.repeat(np.arange(len(begin)), number)
    foreground = ((np.arange(len(runs)) - begin[mask]) & 1).astype(bool) & (runs > 0)
    mask, length = mask[foreground], runs[foreground]
    end = end[foreground] - before[mask]
    area = np.bincount(mask, length, minlength=len(begin))
    box = np.zeros((len(begin), 4))
    if len(mask):
        tall = np.maximum(height[mask], 1)
        (left, top), (right, bottom) = np.divmod(end - length, tall), np.divmod(end - 1, tall)
        across = right > left
        top[across], bottom[across] = 0, tall[across] - 1
        first = np.flatnonzero(np.diff(mask, prepend=-1))
        some = mask[first]
        low = [np.minimum.reduceat(values, first) for values in (left, top)]
        high = [np.maximum.reduceat(values, first) for values in (right, bottom)]
        box[some] = np.stack([*low, high[0] - low[0] + 1, high[1] - low[1] + 1], axis=1)
    return Decoded(area, box, damaged)


def _lengths(text: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Characters of N masks, and how many are each one's -> run lengths int64 [R], and where each
    mask's begin, int64 [N]; None for characters that are none of the encoding's."""
    chars = text - np.uint8(48)  # what is below 48 wraps around to above 63
    ends = np.cumsum(count)
    if chars.max() > 63 or (chars[ends - 1] & 32).any():
        return None
    last = np.flatnonzero(chars < 32)
    first = np.concatenate([[0], last[:-1] + 1])
    length = last - first
    longest = int(length.max())
    if longest > 6:
        return None
    runs = (chars[first] & 31).astype(np.int64)
    for place in range(1, longest + 1):
        some = np.flatnonzero(length >= place)
        runs[some] += (chars[first[some] + place] & 31).astype(np.int64) << (5 * place)
    negative = np.flatnonzero(chars[last] & 16)
    runs[negative] -= 1 << (5 * (length[negative] + 1))
    begin = np.searchsorted(first, ends - count)
    head = runs[begin]
    runs[begin] = 0
    for parity in (0, 1):  # sums over every other run, of all masks ...
        np.cumsum(runs[parity::2], out=runs[parity::2])
    number = np.diff(begin, append=len(runs))
    odd = np.arange(len(runs)) - np.repeat(begin, number)
    before = np.stack([runs[begin], np.where(begin > 0, runs[begin - 1], 0)], axis=1)
    runs -= np.repeat(before, number, axis=0)[np.arange(len(runs)), odd & 1]  # ... of each mask
    runs[begin] = head
    return runs, begin
