"""The base of the stages: frozen dataclasses whose fields are their constants."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar


class ConstantError(ValueError):
    """A constant of a stage with an unusable value."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name, self.problem = name, problem


@dataclass(frozen=True)
class Stage:
    """A stage of the method; called, it goes from tensors and value types to value types.

    Attributes:
        SECTIONS: of ``MODEL.ZIP``, whose keys in lower case are the fields.

    Raises:
        ConstantError: an unusable constant.
    """

    SECTIONS: ClassVar[tuple[str, ...]] = ()

    def _check_one_of(self, name: str, allowed: Collection[Any]) -> None:
        value = getattr(self, name)
        if value not in allowed:
            raise ConstantError(name, f"'{value}' is not one of: {', '.join(map(str, allowed))}")

    def _check_least(self, name: str, least: float) -> None:
        value = getattr(self, name)
        if value < least:
            raise ConstantError(name, f"{value} is less than {least}")
