"""Values of filter templates: ``TemplateValue`` messages as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from elanus.model.errors import InvalidParameter
from elanus.server.grpc import messages as pb


def template_values(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a request's ``expr_template_values``, by name."""
    return {name: _value(name, value) for name, value in entries.items()}


def encode_values(values: Mapping[str, Any]) -> dict[str, pb.Message]:
    """Return plain values as ``TemplateValue`` messages, lists as JSON; what a client does."""
    return {name: _encoded(value) for name, value in values.items()}


def _encoded(value: Any) -> pb.Message:
    if isinstance(value, list):
        array = pb.TemplateArrayValue()
        array.json_data.data.extend(orjson.dumps(item) for item in value)
        return pb.TemplateValue(array_val=array)
    arm = {bool: "bool_val", int: "int64_val", float: "float_val", str: "string_val"}.get(type(value))
    if arm is None:
        raise InvalidParameter(f"a template value is a boolean, a number, a text or a list of them, got {value!r}")
    return pb.TemplateValue(**{arm: value})


def _value(name: str, value: Any) -> Any:
    arm = value.WhichOneof("val")
    if arm is None:
        raise InvalidParameter(f"the value of expression template variable name {{{name}}} is not found")
    held = getattr(value, arm)
    return _array(name, held) if arm == "array_val" else held


def _array(name: str, array: Any) -> list[Any]:
    arm = array.WhichOneof("data")
    if arm is None:
        return []
    entries = getattr(array, arm).data
    if arm == "array_data":
        return [_array(name, each) for each in entries]
    if arm == "json_data":
        return [_json(name, each) for each in entries]
    return list(entries)


def _json(name: str, text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"the value of expression template variable {name} is not JSON: {error}") from None
