"""The filter language one row at a time over plain Python values: slow, naive, and written apart from the engine.

A predicate is a tuple whose first item says what it is; ``holds`` answers True, False or None (UNKNOWN) for a row, a
dict of its fields' values: instants as microseconds since 1970, geometries as WKT, the others as Python has them.
``row_texts`` writes the same predicate as a filter's text. FLOAT fields are those whose name begins with ``f32``.
"""

from __future__ import annotations

import math
import operator
import re
import struct
from typing import Any

import shapely

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
_IN_JSON = ("json", "key")


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
    if operand[0] not in _IN_JSON:
        return any(_compared(value, "==", wanted, single=_is_single(operand)) for wanted in values)
    if not values:
        return False
    if any(isinstance(wanted, float) for wanted in values):
        values = [float(wanted) if _is_number(wanted) else wanted for wanted in values]
    answers = [_compared(value, "==", wanted) for wanted in values]
    return None if all(answer is None for answer in answers) else True in answers


def _regex(node, row):
    value = _value(node[1], row)
    if not isinstance(value, str):
        return None
    # A dollar stands for the very end, where Python also takes the place before a last line break.
    return re.search("".join(node[2]).replace("$", r"\Z"), value) is not None


def _starts_with(node, row):
    value = _value(node[1], row)
    return None if value is MISSING else value.startswith(node[2])


def _empty(node, row):
    value = _value(node[1], row)
    return None if value is MISSING else value == ""


def _instant(node, row):
    value = _value(node[1], row)
    return None if value is MISSING else _OPERATORS[node[2]](value, node[3][0])


def _spatial(node, row):
    value = _value(node[1], row)
    if value is MISSING:
        return None
    return bool(getattr(shapely, node[2])(shapely.from_wkt(value), shapely.from_wkt(node[3])))


def _near(node, row):
    """Points by the great circle, everything else by planar degrees, scaled at the latitude of the center."""
    value = _value(node[1], row)
    if value is MISSING:
        return None
    geometry, center = shapely.from_wkt(value), shapely.from_wkt(node[2])
    if geometry.is_empty:
        return False
    if geometry.geom_type == "Point":
        return _great_circle(geometry.x, geometry.y, center.x, center.y) <= node[3]
    scale = 111_320 * math.sqrt((1 + math.cos(math.radians(center.y)) ** 2) / 2)
    return geometry.distance(center) * scale <= node[3]


def _great_circle(longitude, latitude, from_longitude, from_latitude):
    phi, from_phi = math.radians(latitude), math.radians(from_latitude)
    across = math.sin((phi - from_phi) / 2) ** 2
    along = math.cos(phi) * math.cos(from_phi) * math.sin(math.radians(longitude - from_longitude) / 2) ** 2
    return 2 * 6_371_000 * math.asin(math.sqrt(min(across + along, 1.0)))


def _valid(node, row):
    value = _value(node[1], row)
    return None if value is MISSING else shapely.from_wkt(value).is_valid


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
    return not _exists(value) if node[1][0] in _IN_JSON and node[1][2] else value is MISSING


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
    single, wanted = _is_single(operand), [values] if how == "one" else values
    found = [any(_equal(element, value, single=single) for element in elements) for value in wanted]
    return all(found) if how == "all" else any(found)


def _equal(element, wanted, *, single=False):
    if isinstance(wanted, list):
        return (
            isinstance(element, list)
            and len(element) == len(wanted)
            and all(_equal(*pair, single=single) for pair in zip(element, wanted, strict=True))
        )
    return _compared(element, "==", wanted, single=single) is True


def _equals_list(node, row):
    value = _value(node[1], row)
    if not isinstance(value, list):
        return None
    return _equal(value, node[3], single=_is_single(node[1])) is (node[2] == "==")


def _constant(node, _row):
    return node[1]


def _structs(node, row):
    """Count the structs of a row's array that satisfy a predicate; those of which nothing is known don't count."""
    _, call, name, predicate, threshold = node
    answers = [answer for answer in (holds(predicate, item) for item in row[name] or []) if answer is not None]
    return _QUANTIFIERS[call](sum(answers), len(answers), threshold)


_QUANTIFIERS = {
    "match_any": lambda true, known, threshold: true >= 1,
    "match_all": lambda true, known, threshold: true == known,
    "match_least": lambda true, known, threshold: true >= threshold,
    "match_most": lambda true, known, threshold: true <= threshold,
    "match_exact": lambda true, known, threshold: true == threshold,
    "element_filter": lambda true, known, threshold: true >= 1,
}

_RULES = {
    "not": _not,
    "and": _and,
    "or": _or,
    "compare": _compare,
    "mirrored": _compare,
    "range": _range,
    "columns": _columns,
    "in": _in,
    "like": _like,
    "regex": _regex,
    "starts_with": _starts_with,
    "empty": _empty,
    "instant": _instant,
    "spatial": _spatial,
    "near": _near,
    "valid": _valid,
    "null": _null,
    "exists": _exists_rule,
    "contains": _contains,
    "equals_list": _equals_list,
    "constant": _constant,
    "structs": _structs,
}


# --- values ---


def _is_number(value):
    return type(value) in (int, float)


def _is_single(operand):
    """Whether constants are narrowed to float32 before they are compared: not behind a step of arithmetic."""
    plain = operand[0] in ("column", "element", "item", "sub_field", "struct_item")
    return plain and any(str(name).startswith("f32") for name in operand[1:])


def narrowed(value: float) -> float:
    """Return the nearest float32; infinite beyond its range."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


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
    elif isinstance(constant, list):
        return _equal(value, constant) if isinstance(value, list) else None
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
    return _as_kept(value)


def _as_kept(value):
    """Return a JSON value with the integers beyond int64 as doubles."""
    if isinstance(value, dict):
        return {key: _as_kept(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_kept(item) for item in value]
    return float(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


def _element(operand, row, _reader):
    array = row[operand[1]]
    return array[operand[2]] if array is not None and operand[2] < len(array) else MISSING


def _length(operand, row, _reader):
    value = _value(operand[1], row)
    return len(value) if isinstance(value, list) else MISSING


def _arithmetic(operand, row, reader):
    _, op, inner, constant = operand[:4]
    value = _value(inner, row)
    if not _is_number(value):
        return MISSING
    integer_column = inner[0] == "length" or (inner[0] not in _IN_JSON and not isinstance(value, float))
    if not integer_column and (isinstance(reader, float) or isinstance(constant, float)):
        value, constant = float(value), float(constant)
    if isinstance(value, float) or isinstance(constant, float):
        return MISSING if op in "%&|^" else _DOUBLE_STEPS[op](float(value), float(constant))
    return (_INTEGER_STEPS[op](value, constant) + 2**63) % 2**64 - 2**63


def _sub_field(operand, row, _reader):
    structs = row[operand[1]]
    return MISSING if structs is None else [struct[operand[2]] for struct in structs]


def _struct_item(operand, row, _reader):
    structs = row[operand[1]]
    return structs[operand[2]][operand[3]] if structs is not None and operand[2] < len(structs) else MISSING


def _moved(operand, row, _reader):
    """Move an instant in the calendar of UTC: years and months first, what the month lacks of days carried on."""
    _, name, sign, (years, months, days, hours, minutes, seconds) = operand
    if row[name] is None:
        return MISSING
    day, time_of_day = divmod(row[name], _DAY)
    year, month, day_of_month = _civil(day)
    first_day = _days_before(year + sign * years, month - 1 + sign * months)
    elapsed = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return (first_day + day_of_month - 1) * _DAY + time_of_day + sign * elapsed * 1_000_000


_DAY = 86_400_000_000


def _days_before(year: int, month: int) -> int:
    """Return the days from 1970 to the first of a month, counted from 0 and beyond the year if need be."""
    year, month = year + month // 12, month % 12
    leaps = (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400
    february = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30]
    return (year - 1) * 365 + leaps + sum(lengths[:month]) - 719_162


def _civil(day: int) -> tuple[int, int, int]:
    """Return year, month and day of the month of a day since 1970."""
    year = 1970 + day // 366
    while _days_before(year + 1, 0) <= day:
        year += 1
    while _days_before(year, 0) > day:
        year -= 1
    month = next(month for month in range(11, -1, -1) if _days_before(year, month) <= day)
    return year, month + 1, day - _days_before(year, month) + 1


_READERS = {
    "column": _column,
    "json": _json,
    "key": _json,
    "moved": _moved,
    "element": _element,
    "length": _length,
    "arithmetic": _arithmetic,
    "item": _column,
    "sub_field": _sub_field,
    "struct_item": _struct_item,
}
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
