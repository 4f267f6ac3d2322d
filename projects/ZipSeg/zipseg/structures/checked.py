"""The base of the value types: frozen dataclasses of tensors, checked when they are made."""

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Annotated, Self, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

_KINDS = {
    int: ("int64", lambda dtype: dtype == torch.int64),
    bool: ("bool", lambda dtype: dtype == torch.bool),
    float: ("floating point", lambda dtype: dtype.is_floating_point),
}


class Checked:
    """A frozen dataclass whose tensors have the shapes that their annotations say.

    ``Annotated[Tensor, "N 4", float]``: axes of one name are equally long throughout the value, an
    axis that is a number is that long; the kind of the numbers is ``int``, ``bool`` or ``float``,
    or missing for any.

    Raises:
        ValueError: another shape or kind of number, or tensors that do not fit each other; the
            message names the type and the field.
    """

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name, axes, *kind in _annotations(type(self)):
            _check(f"{type(self).__name__}.{name}", getattr(self, name), axes, kind, sizes)

    def to(self, device: torch.device | str) -> Self:
        """The same value on ``device``."""
        return type(self)(*(getattr(self, each.name).to(device) for each in fields(self)))


@cache
def _annotations(cls: type) -> list[tuple]:
    """Name, axes and perhaps kind of each annotated tensor."""
    return [
        (name, tuple(axes.split()), *kind)
        for name, hint in get_type_hints(cls, include_extras=True).items()
        if get_origin(hint) is Annotated
        for _, axes, *kind in [get_args(hint)]
    ]


def _check(
    where: str, value: Tensor, axes: tuple[str, ...], kind: Sequence[type], sizes: dict[str, int]
) -> None:
    """Checks one tensor against the ``sizes`` of the axes so far, and adds its own."""
    wanted = [
        int(axis) if axis.isdecimal() else sizes.get(axis, n)
        for axis, n in zip(axes, value.shape, strict=False)
    ]
    if value.ndim != len(axes) or wanted != list(value.shape):
        known = "".join(f", {axis} = {sizes[axis]}" for axis in axes if axis in sizes)
        raise ValueError(f"{where}: shape {list(value.shape)} is not [{', '.join(axes)}]{known}")
    sizes.update(zip(axes, value.shape, strict=True))
    for each in kind:
        name, fits = _KINDS[each]
        if not fits(value.dtype):
            raise ValueError(f"{where}: {value.dtype} is not {name}")


class Rows(Checked):
    """Things in a row: every field is a tensor with one row for each of them."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, index: int | slice | Tensor) -> Self:
        """One or some of the things, as a value of the same type.

        Args:
            index: a place, a slice, or a tensor of places or of bools.

        Raises:
            IndexError: a place that there is not.
        """
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"{type(self).__name__}: no place {index} among {len(self)}")
            index = slice(index % len(self), index % len(self) + 1)
        return type(self)(*(getattr(self, each.name)[index] for each in fields(self)))

    @classmethod
    def cat(cls, several: Sequence[Self]) -> Self:
        """All of at least one value, one after the other."""
        return cls(
            *(torch.cat([getattr(each, key.name) for each in several]) for key in fields(cls))
        )
