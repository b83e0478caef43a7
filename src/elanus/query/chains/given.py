"""What an operation or a function was given, read by name and checked."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from elanus.model.errors import InvalidParameter, MissingParameter
from elanus.query.chains.spec import Params


@dataclass(frozen=True, slots=True)
class Given:
    """The parameters of ``owner``. Errors name it, the parameter and what came."""

    owner: str
    params: Params

    def only(self, *names: str) -> None:
        """Refuse parameters under other names."""
        unknown = sorted(set(self.params).difference(names))
        if unknown:
            raise InvalidParameter(f'{self.owner}: unknown parameter "{unknown[0]}"')

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text that is not empty; required without a default."""
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a string", value)
        if not value and default is None:
            raise MissingParameter(f"{self.owner}: {name} is required")
        return value

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str:
        """Return one of some texts."""
        value = self.text(name, default)
        if value not in choices:
            raise InvalidParameter(f'{self.owner}: {name} must be one of [{", ".join(choices)}], got "{value}"')
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a finite number."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._wrong(name, "a number", value)
        return float(value)

    def whole(self, name: str, default: int | None = None, *, low: int, high: int | None = None) -> int:
        """Return an integer in ``low .. high``, both included."""
        value = self._value(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, "an integer", value)
        if value < low or (high is not None and value > high):
            span = f"[{low}, {high}]" if high is not None else f"greater than or equal to {low}"
            raise InvalidParameter(
                f"{self.owner}: {name} must be {'in ' if high is not None else ''}{span}, got {value}"
            )
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean."""
        value = self.params.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "a boolean", value)
        return value

    def number_list(self, name: str) -> tuple[float, ...]:
        """Return a list of numbers, empty when there is none."""
        values = self.params.get(name, ())
        listed = isinstance(values, list | tuple)
        if not listed or any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
            raise self._wrong(name, "a list of numbers", values)
        return tuple(float(value) for value in values)

    def _value(self, name: str, default: Any) -> Any:
        value = self.params.get(name, default)
        if value is None:
            raise MissingParameter(f"{self.owner}: {name} is required")
        return value

    def _wrong(self, name: str, kind: str, value: object) -> InvalidParameter:
        return InvalidParameter(f"{self.owner}: {name} must be {kind}, got {value!r}")
