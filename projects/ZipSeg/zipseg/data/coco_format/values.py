"""What counts as a whole number, a number, a size: one exact reading of each kind of value."""

from __future__ import annotations

import math
import re

_DECIMAL = re.compile(r"[+-]?\d{1,19}(\.0*)?")
_EXACT = 1 << 53  # floats beyond it are not exact
LONGEST = 1 << 20  # pixels of a side; pycocotools walks along the edges of polygons pixel by pixel


class Unusable(Exception):
    """An entry that cannot be used; the message says which, which field and why."""


def is_whole(value: object) -> bool:
    """Whether the value is an integer of 64 bits, and not true or false."""
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def is_number(value: object) -> bool:
    """Whether the value is a finite number of 64 bits, and not true or false."""
    return is_whole(value) or (type(value) is float and math.isfinite(value))


def as_whole(value: object) -> int | None:
    """The integer that the value exactly is: 7, 7.0, "7", "007" or "7.0"; None for any other."""
    if type(value) is float and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        value = int(value.strip().partition(".")[0])
    return value if is_whole(value) else None
