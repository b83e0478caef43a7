"""Parameters, typed at the door: a frozen dataclass declares names, ranges and defaults and parses strings once.

Messages follow Milvus': clients and suites match on them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from elanus.model.errors import InvalidParameter

INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Spec:
    """What one parameter may be; ``required`` is what users are told who leave it out, empty where they may."""

    low: float | None = None
    high: float | None = None
    high_open: bool = False
    choices: tuple[str, ...] = ()
    wire: str = ""
    required: str = ""


def param(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    high_open: bool = False,
    choices: tuple[str, ...] = (),
    wire: str = "",
    required: str = "",
) -> Any:
    """Declare a parameter: its default, its range and, where it differs, the name that users write.

    required  the error's words when users leave it out; the default is then for code alone
    """
    spec = Spec(low=low, high=high, high_open=high_open, choices=choices, wire=wire, required=required)
    return dataclasses.field(default=default, metadata={"spec": spec})


@dataclass(frozen=True)
class Params:
    """Base of every parameter set. Fields are declared with ``param``; unknown keys are ignored by ``parse``."""

    @classmethod
    def wire_names(cls) -> dict[str, str]:
        """Return the name users write -> the attribute's name."""
        return {_spec(field).wire or field.name: field.name for field in dataclasses.fields(cls)}

    @classmethod
    def parse(cls, pairs: Mapping[str, Any]) -> Self:
        """Return the parameters that ``pairs`` name, defaults elsewhere.

        pairs   values as JSON or key-value strings give them: numbers, booleans or their text
        raises  InvalidParameter that names the key, the range and what came
        """
        values = {}
        for field in dataclasses.fields(cls):
            spec = _spec(field)
            key = spec.wire or field.name
            if key in pairs:
                values[field.name] = _PARSERS[type(field.default)](key, pairs[key], spec)
            elif spec.required:
                raise InvalidParameter(spec.required)
        return cls(**values)


def _spec(field: dataclasses.Field[Any]) -> Spec:
    spec: Spec = field.metadata["spec"]
    return spec


def parse_bool(key: str, value: object) -> bool:
    """Return a boolean from a boolean or its text in any case."""
    text = str(value).strip().lower()
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise InvalidParameter(f"wrong data type in json, key: '{key}', value: '{value}', expected true or false")


def _parse_bool(key: str, value: object, _spec: Spec) -> bool:
    return parse_bool(key, value)


def _parse_int(key: str, value: object, spec: Spec) -> int:
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise InvalidParameter(f"Type conflict in json: param '{key}' ({json.dumps(value)}) should be integer")
    try:
        number = int(value)
    except ValueError:
        raise InvalidParameter(_not_an_integer(key, str(value))) from None
    _check_range(key, number, spec)
    return number


def _not_an_integer(key: str, text: str) -> str:
    try:
        float(text)
    except ValueError:
        return f"invalid integer value, key: '{key}', value: '{text}'"
    return f"wrong data type in json, key: '{key}', value: '{text}', expected an integer"


def _parse_float(key: str, value: object, spec: Spec) -> float:
    if isinstance(value, bool):
        raise InvalidParameter(f"Type conflict in json: param '{key}' ({str(value).lower()}) should be a number")
    try:
        number = float(str(value))
    except ValueError:
        raise InvalidParameter(f"wrong data type in json, key: '{key}', value: '{value}'") from None
    _check_range(key, number, spec)
    return number


def _parse_text(key: str, value: object, spec: Spec) -> str:
    text = str(value)
    if spec.choices and text.lower() not in spec.choices:
        raise InvalidParameter(f"invalid value of '{key}': {text}, optional values are [{', '.join(spec.choices)}]")
    return text


def _check_range(key: str, number: float, spec: Spec) -> None:
    low = -float("inf") if spec.low is None else spec.low
    high = float("inf") if spec.high is None else spec.high
    inside = low <= number < high if spec.high_open else low <= number <= high
    if not inside:
        closing = ")" if spec.high_open else "]"
        span = f"[{low}, {high}{closing}"
        raise InvalidParameter(f"Out of range in json: param '{key}' ({number}) should be in range {span}")


_PARSERS: Mapping[type, Any] = {bool: _parse_bool, int: _parse_int, float: _parse_float, str: _parse_text}
