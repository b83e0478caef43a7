"""The filter language one row at a time over plain Python values: slow, naive, and written apart from the engine.

A predicate is a tuple whose first item says what it is; ``holds`` answers True, False or None (UNKNOWN) for a row, and
``render`` writes the same predicate as a filter's text.
"""

from __future__ import annotations

import math
import operator
import re
import struct
from typing import Any

Row = dict[str, Any]

_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MISSING = object()


# --- truth ---


def holds(node: tuple[Any, ...], row: Row) -> bool | None:
    """Return the predicate's truth for a row; None is UNKNOWN."""
    return _RULES[node[0]](node, row)


def _not(node, row):
    inner = holds(node[1], row)
    return None if inner is None else not inner


def _and(node, row):
    answers = [holds(item, row) for item in node[1]]
    return False if False in answers else None if None in answers else True


def _or(node, row):
    answers = [holds(item, row) for item in node[1]]
    return True if True in answers else None if None in answers else False


def _compare(node, row):
    _, operand, op, value = node
    return _compared(_value(operand, row, reader=value), op, value, single=_is_single(operand))


def _range(node, row):
    _, operand, low, low_op, high_op, high = node
    value = _value(operand, row)
    single = _is_single(operand)
    above = _compared(value, ">=" if low_op == "<=" else ">", low, single=single)
    below = _compared(value, high_op, high, single=single)
    return None if above is None or below is None else above and below


def _columns(node, row):
    left, right = _value(node[1], row), _value(node[3], row)
    return None if left is MISSING or right is MISSING else _OPERATORS[node[2]](left, right)


def _in(node, row):
    _, operand, values = node
    value = _value(operand, row)
    if value is MISSING or value is None:
        return None
    if operand[0] != "json":
        return any(_compared(value, "==", wanted, single=_is_single(operand)) for wanted in values)
    if not values:
        return False
    if any(isinstance(wanted, float) for wanted in values):
        values = [float(wanted) if _is_number(wanted) else wanted for wanted in values]
    answers = [_compared(value, "==", wanted) for wanted in values]
    return None if all(answer is None for answer in answers) else True in answers


def _like(node, row):
    value = _value(node[1], row)
    if not isinstance(value, str):
        return None
    pattern = ""
    characters = iter(node[2])
    for character in characters:
        if character == "\\":
            pattern += re.escape(next(characters))
        else:
            pattern += {"%": r"[\s\S]*", "_": r"[\s\S]"}.get(character, re.escape(character))
    return re.fullmatch(pattern, value) is not None


def _null(node, row):
    value = _value(node[1], row)
    return not _exists(value) if node[1][0] == "json" and node[1][2] else value is MISSING


def _exists_rule(node, row):
    return _exists(_value(node[1], row))


def _exists(value):
    if isinstance(value, dict):
        return any(_exists(item) for item in value.values())
    if isinstance(value, list):
        return any(_exists(item) for item in value)
    return value is not MISSING and value is not None


def _contains(node, row):
    _, operand, how, values = node
    if how != "one" and not values:
        return how == "all"
    elements = _value(operand, row)
    if not isinstance(elements, list):
        return None
    found = [any(_equal(element, wanted) for element in elements) for wanted in ([values] if how == "one" else values)]
    return all(found) if how == "all" else any(found)


def _equal(element, wanted):
    if isinstance(wanted, list):
        return (
            isinstance(element, list)
            and len(element) == len(wanted)
            and all(_equal(*pair) for pair in zip(element, wanted, strict=True))
        )
    return _compared(element, "==", wanted) is True


def _equals_list(node, row):
    value = _value(node[1], row)
    if not isinstance(value, list):
        return None
    return _equal(value, node[3]) is (node[2] == "==")


def _constant(node, _row):
    return node[1]


_RULES = {
    "not": _not,
    "and": _and,
    "or": _or,
    "compare": _compare,
    "range": _range,
    "columns": _columns,
    "in": _in,
    "like": _like,
    "null": _null,
    "exists": _exists_rule,
    "contains": _contains,
    "equals_list": _equals_list,
    "constant": _constant,
}


# --- values ---


def _is_number(value):
    return type(value) in (int, float)


def _is_single(operand):
    return operand[0] in ("column", "element") and operand[-1] == "f32"


def narrowed(value: float) -> float:
    """Return the nearest float32."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _compared(value, op, constant, *, single=False):
    """Compare a value with a constant of one family; another family is UNKNOWN."""
    if value is MISSING or value is None:
        return None
    if isinstance(constant, bool) or isinstance(value, bool):
        known = isinstance(constant, bool) and isinstance(value, bool)
    elif _is_number(constant):
        known = _is_number(value)
        if isinstance(constant, float) or isinstance(value, float):
            value = float(value) if known else value
            constant = narrowed(constant) if single else float(constant)
    else:
        known = isinstance(value, type(constant))
    return _OPERATORS[op](value, constant) if known else None


def _value(operand, row, reader=None):
    return _READERS[operand[0]](operand, row, reader)


def _column(operand, row, _reader):
    value = row[operand[1]]
    return MISSING if value is None else value


def _json(operand, row, _reader):
    value = row[operand[1]]
    if value is None:
        return MISSING
    for step in operand[2]:
        if isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def _element(operand, row, _reader):
    array = row[operand[1]]
    return array[operand[2]] if array is not None and operand[2] < len(array) else MISSING


def _length(operand, row, _reader):
    value = _value(operand[1], row)
    return len(value) if isinstance(value, list) else MISSING


def _arithmetic(operand, row, reader):
    _, op, inner, constant = operand
    value = _value(inner, row)
    if not _is_number(value):
        return MISSING
    integer_column = inner[0] == "length" or (inner[0] in ("column", "element") and not isinstance(value, float))
    if not integer_column and (isinstance(reader, float) or isinstance(constant, float)):
        value, constant = float(value), float(constant)
    if isinstance(value, float) or isinstance(constant, float):
        return MISSING if op in "%&|^" else _DOUBLE_STEPS[op](float(value), float(constant))
    return (_INTEGER_STEPS[op](value, constant) + 2**63) % 2**64 - 2**63


_READERS = {"column": _column, "json": _json, "element": _element, "length": _length, "arithmetic": _arithmetic}
_DOUBLE_STEPS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
_INTEGER_STEPS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1),
    "%": lambda left, right: int(math.copysign(1, left)) * (abs(left) % abs(right)),
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}


# --- text ---


def render(node: tuple[Any, ...]) -> str:
    """Return the predicate as a filter's text."""
    kind = node[0]
    if kind == "not":
        return f"not ({render(node[1])})"
    if kind in ("and", "or"):
        return f" {kind} ".join(f"({render(item)})" for item in node[1])
    if kind == "constant":
        return str(node[1]).lower()
    if kind == "in":
        return f"{operand_text(node[1])} in {literal(node[2])}"
    if kind == "range":
        return f"{literal(node[2])} {node[3]} {operand_text(node[1])} {node[4]} {literal(node[5])}"
    if kind == "columns":
        return f"{operand_text(node[1])} {node[2]} {operand_text(node[3])}"
    if kind == "like":
        return f"{operand_text(node[1])} like {literal(node[2])}"
    if kind == "null":
        return f"{operand_text(node[1])} is null"
    if kind == "exists":
        return f"exists {operand_text(node[1])}"
    if kind == "contains":
        suffix = {"one": "", "all": "_all", "any": "_any"}[node[2]]
        return f"array_contains{suffix}({operand_text(node[1])}, {literal(node[3])})"
    return f"{operand_text(node[1])} {node[2]} {literal(node[3])}"


def operand_text(operand: tuple[Any, ...]) -> str:
    """Return an operand as text."""
    kind = operand[0]
    if kind == "column":
        return operand[1]
    if kind == "json":
        return operand[1] + "".join(f"[{literal(step)}]" for step in operand[2])
    if kind == "element":
        return f"{operand[1]}[{operand[2]}]"
    if kind == "length":
        return f"array_length({operand_text(operand[1])})"
    return f"({operand_text(operand[2])} {operand[1]} {literal(operand[3])})"


def literal(value: Any) -> str:
    """Return a constant as text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(_character(character) for character in value) + '"'
    return repr(value)


def _character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return f"\\u{ord(character):04x}" if ord(character) < 32 else character
