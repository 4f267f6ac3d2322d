"""Large maps through a convolutional tower in strips, with exactly the features of the whole.

A strip takes along as many rows beyond its own as the layers read (its halo), and gives up what
these rows become. The parts of a tower down to stride 8 run as one, so that their large maps never
exist at full size; from there on each block goes over the whole map before the next, which repeats
two rows a strip and no more.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .pyramid import Step

FINE = 8  # pixels a cell; above this stride no map is ever whole


def run_in_strips(steps: Sequence[Step], images: Tensor, pixels: int) -> Tensor:
    """What the steps make of images [B, 3, H, W], equal to running them one after the other.

    Args:
        pixels: of the images that a strip covers, about; memory grows with it.
    """
    x, rows = images, max(1, pixels // images.shape[-1])
    for group in _groups(steps):
        if _looks_at_all(group):
            x = _run(group, x)
        elif x is not images and _keeps_shape(group, x):
            _in_place(group, x, rows)
        else:
            x = _group_in_strips(group, x, rows)
        # Where the first group ends maps have the most channels, and twice as many at twice the
        # stride: the same number of rows takes the same memory from there on.
        rows = max(1, pixels // images.shape[-1] // 4)
    return x


def _looks_at_all(group: Sequence[Step]) -> bool:
    return any(step.halo is None for step in group)


def _keeps_shape(group: Sequence[Step], x: Tensor) -> bool:
    if any(step.stride > 1 for step in group):
        return False
    halo = sum(step.halo for step in group)
    return _run(group, x[:, :, : halo + 1, :1]).shape[1] == x.shape[1]


def _in_place(group: Sequence[Step], x: Tensor, rows: int) -> None:
    """Writes what the group makes of ``x`` over it, so that there is one whole map, not two."""
    halo, height = sum(step.halo for step in group), x.shape[-2]
    rows = max(rows, halo, 1)
    above = x[:, :, :0]
    for start in range(0, height, rows):
        end = min(start + rows, height)
        part = torch.cat([above, x[:, :, start : end + halo]], dim=2)
        skipped = above.shape[-2]
        above = x[:, :, end - min(halo, end) : end].clone()  # the next strip's, as they are
        x[:, :, start:end] = _run(group, part)[:, :, skipped : skipped + end - start]


def _groups(steps: Sequence[Step]) -> Iterator[list[Step]]:
    group, stride = [], 1
    for step in steps:
        group.append(step)
        stride *= step.stride
        if stride >= FINE or step.halo is None:
            yield group
            group = []
    if group:
        yield group


def _run(group: Sequence[Step], x: Tensor) -> Tensor:
    for step in group:
        x = step.module(x)
    return x


def _group_in_strips(group: Sequence[Step], x: Tensor, rows: int) -> Tensor:
    stride, halo = 1, 0
    for step in reversed(group):
        halo = halo * step.stride + step.halo
        stride *= step.stride
    halo = _multiple(halo, stride)
    rows = _multiple(rows, stride)
    height = x.shape[-2]
    # A rest of less than a cell belongs to the strip before it.
    starts = range(0, max(1, height - stride + 1), rows)
    if len(starts) == 1:
        return _run(group, x)
    whole = None
    for start in starts:
        last = start == starts[-1]
        first_row = max(0, start - halo)
        end_row = height if last else min(height, start + rows + halo)
        part = _run(group, x[:, :, first_row:end_row])
        skipped = (start - first_row) // stride
        part = part[:, :, skipped:] if last else part[:, :, skipped : skipped + rows // stride]
        if whole is None:
            batch, channels, _, width = part.shape
            most = -(-height // stride)
            whole = part.new_empty((batch, channels, most, width))
            if part.is_contiguous(memory_format=torch.channels_last):
                whole = whole.to(memory_format=torch.channels_last)
        filled = start // stride + part.shape[-2]
        whole[:, :, start // stride : filled] = part
    return whole[:, :, :filled]


def _multiple(number: int, of: int) -> int:
    return -(-number // of) * of
