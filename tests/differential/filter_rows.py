"""Random rows of every type that filters read, and random predicates about them, for the row interpreter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from numpy.typing import NDArray
from row_interpreter import narrowed

from elanus._native.time import FIRST_INSTANT, LAST_INSTANT
from elanus.model.columns import Column, ColumnBatch, arrow_type
from elanus.model.geometry import wkb_of_text
from elanus.model.ids import FieldId
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema
from elanus.model.types import DataType

Row = dict[str, Any]
Predicate = tuple[Any, ...]


def either(*alternatives: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from one of the alternatives, each as often as any other, whatever they are made of themselves."""
    return st.sampled_from(alternatives).flatmap(lambda chosen: chosen)


# --- values ---

INT64 = st.integers(-(2**63), 2**63 - 1)
SMALL = st.integers(-4, 4)
_LARGE = st.sampled_from([-(2**63), -(2**53) - 1, 2**53, 2**53 + 1, 2**62 + 1, 2**63 - 1])
INTS = st.one_of(SMALL, SMALL, INT64, _LARGE, _LARGE)
FLOATS = st.one_of(SMALL.map(float), st.sampled_from([0.5, -0.25, 1e-9, 1e20, -0.0, 2.0**53]), st.floats(-1e100, 1e100))
SINGLES = st.one_of(SMALL.map(float), st.floats(-(2.0**90), 2.0**90, width=32))
TEXTS = st.text(st.sampled_from("abA%_\\\"'\n中😀"), max_size=4)
KEYS = st.sampled_from(["k", "x y", "0", "中", 'a"b', "a\\b"])
SCALARS = either(st.booleans(), INTS, INTS, FLOATS, TEXTS)
_ANY_INTEGER = st.sampled_from([2**63, 2**64, -(2**63) - 1])
JSON = st.recursive(
    st.one_of(st.none(), SCALARS, _ANY_INTEGER),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=3)

_DAY = 86_400_000_000
_ENDS_OF_MONTHS = [
    (datetime(2024, month, day, 12) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    for month, day in ((1, 29), (1, 30), (1, 31), (2, 28), (2, 29), (3, 1), (3, 2), (3, 3), (3, 29), (3, 31))
]
INSTANTS = st.one_of(
    st.sampled_from(_ENDS_OF_MONTHS),
    st.sampled_from(_ENDS_OF_MONTHS),
    st.sampled_from([0, -1, FIRST_INSTANT, LAST_INSTANT]),
    st.integers(FIRST_INSTANT, LAST_INSTANT),
)

_AT = st.sampled_from([-1, 0, 0.5, 1, 2, 3])
_PLACES = st.tuples(_AT, _AT).map(lambda at: f"{at[0]} {at[1]}")
_POINTS = _PLACES.map("POINT ({})".format)
_BOXES = st.tuples(_AT, _AT, st.integers(1, 3), st.integers(1, 3)).map(
    lambda box: (
        f"POLYGON (({box[0]} {box[1]}, {box[0] + box[2]} {box[1]}, {box[0] + box[2]} {box[1] + box[3]}, "
        f"{box[0]} {box[1] + box[3]}, {box[0]} {box[1]}))"
    )
)
_LINES = st.lists(_PLACES, min_size=2, max_size=3, unique=True).map(lambda line: f"LINESTRING ({', '.join(line)})")
SHAPES = st.one_of(
    _POINTS,
    _POINTS,
    _BOXES,
    _LINES,
    st.sampled_from(["POINT EMPTY", "POLYGON EMPTY", "MULTIPOINT (0 0, 1 1)", "POINT (179.5 0)", "POINT (0 89.5)"]),
    st.just("POLYGON ((0 0, 3 0, 3 3, 0 3, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))"),
)
ROUGH_SHAPES = st.one_of(SHAPES, st.just("POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))"), st.just("LINESTRING (1 1, 1 1)"))

# --- rows ---

_TYPES: dict[str, tuple[DataType, st.SearchStrategy[Any]]] = {
    "i8": (DataType.INT8, st.integers(-128, 127)),
    "i16": (DataType.INT16, st.integers(-(2**15), 2**15 - 1) | SMALL),
    "i32": (DataType.INT32, st.integers(-(2**31), 2**31 - 1) | SMALL),
    "n": (DataType.INT64, INTS),
    "f32": (DataType.FLOAT, SINGLES),
    "f": (DataType.DOUBLE, FLOATS),
    "b": (DataType.BOOL, st.booleans()),
    "s": (DataType.VARCHAR, TEXTS),
    "a": (DataType.ARRAY, st.lists(SMALL, max_size=4)),
    "f32s": (DataType.ARRAY, st.lists(SINGLES, max_size=3)),
    "flags": (DataType.ARRAY, st.lists(st.booleans(), max_size=3)),
    "t": (DataType.ARRAY, st.lists(TEXTS, max_size=3)),
    "j": (DataType.JSON, JSON),
    "ts": (DataType.TIMESTAMPTZ, INSTANTS),
    "g": (DataType.GEOMETRY, SHAPES),
    "rough": (DataType.GEOMETRY, ROUGH_SHAPES),
}
_ELEMENTS = {"a": DataType.INT32, "f32s": DataType.FLOAT, "flags": DataType.BOOL, "t": DataType.VARCHAR}
SCHEMA = Schema(
    (
        Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
        *(
            Field(
                id=FieldId(101 + number),
                name=name,
                type=kind,
                element_type=_ELEMENTS.get(name, DataType.NONE),
                nullable=True,
            )
            for number, (name, (kind, _)) in enumerate(_TYPES.items())
        ),
        Field(id=FieldId(200), name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True),
    )
)
_BLANK: Row = {**dict.fromkeys(_TYPES), DYNAMIC_FIELD: {}}


@dataclass(frozen=True)
class Case:
    """A predicate and rows to ask it about.

    asked  for each row whether it is asked about, where not all are
    coin   decides between two ways of doing what is checked
    """

    predicate: Predicate
    rows: list[Row]
    asked: list[bool]
    coin: bool

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The rows that are asked about."""
        return np.array(self.asked, dtype=np.bool_)


@st.composite
def cases(draw: st.DrawFn, predicates: st.SearchStrategy[Predicate], min_size: int = 0) -> Case:
    """Draw cases of at least so many rows."""
    predicate = draw(predicates)
    count = max(min_size, draw(st.sampled_from([0, 1, 3, 5, 8])))
    rows = draw(rows_for(predicate, count))
    return Case(predicate, rows, draw(st.lists(st.booleans(), min_size=count, max_size=count)), draw(st.booleans()))


def rows_for(predicate: Predicate, count: int) -> st.SearchStrategy[list[Row]]:
    """Draw rows with values in the fields that a predicate reads, its constants among them; other fields are null."""
    parts = list(_parts(predicate))
    parts += [instant for part in parts for instant in _before_the_move(part)]
    constants = [near for part in parts if type(part) in (bool, int, float, str, list) for near in _neighbours(part)]
    paths = [part[1:] for part in parts if isinstance(part, tuple) and part[:1] in (("json",), ("key",))]
    drawn = {
        name: either(st.none(), *[_cells(name, values, constants, paths)] * 5)
        for name, (_, values) in _TYPES.items()
        if name in constants
    }
    if DYNAMIC_FIELD in constants:
        drawn[DYNAMIC_FIELD] = _documents(OBJECTS, constants, [path for field, path in paths if field == DYNAMIC_FIELD])
    keys = st.lists(INTS, min_size=count, max_size=count, unique=True)
    values = st.lists(st.fixed_dictionaries(drawn), min_size=count, max_size=count)
    return st.builds(
        lambda ids, rows: [{**_BLANK, "id": key, **row} for key, row in zip(ids, rows, strict=True)], keys, values
    )


def _before_the_move(node: Any) -> list[int]:
    """Return instants, days apart, one or two of which lie at the bound once they are moved."""
    if not isinstance(node, tuple) or node[:1] != ("instant",) or node[1][0] != "moved":
        return []
    _, _, sign, (years, months, days, hours, minutes, seconds) = node[1]
    fixed = ((days * 24 + hours) * 60 + minutes) * 60_000_000 + seconds * 1_000_000
    day = node[3][0] - sign * (round((years * 12 + months) * 30.436875) * _DAY + fixed)
    return [day + offset * _DAY for offset in (-2, -1, 0, 1, 2)]


def _neighbours(constant: Any) -> list[Any]:
    """Return a constant with what is next to it or equal to it."""
    if type(constant) is int:
        return [constant, constant - 1, constant + 1, float(constant)]
    if type(constant) is float and constant.is_integer():
        return [constant, int(constant)]
    return [constant]


def _parts(node: Any) -> Iterator[Any]:
    """Yield everything inside a predicate: operands, field names, constants."""
    yield node
    if isinstance(node, tuple | list):
        for part in node:
            yield from _parts(part)


def _cells(name: str, values: Any, constants: list[Any], paths: list[Any]) -> st.SearchStrategy[Any]:
    """Draw values of a field, half of them from the constants that it can hold."""
    if name == "j":
        return _documents(JSON, constants, [path for field, path in paths if field == "j"])
    if name in _ELEMENTS:
        element = _HOLDS[_ELEMENTS[name]]
        fitting = [value for value in constants if element(value)]
        held = [value for value in constants if isinstance(value, list) and all(map(element, value))]
        mixed = st.lists(st.sampled_from(fitting), max_size=4) if fitting else values
        return either(values, mixed, st.sampled_from(held) if held else values)
    fitting = [value for value in constants if _HOLDS[_TYPES[name][0]](value)]
    return either(values, st.sampled_from(fitting)) if fitting else values


def _is_integer_of(bits: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)


_HOLDS: dict[DataType, Callable[[Any], bool]] = {
    DataType.BOOL: lambda value: isinstance(value, bool),
    DataType.INT8: _is_integer_of(8),
    DataType.INT16: _is_integer_of(16),
    DataType.INT32: _is_integer_of(32),
    DataType.INT64: _is_integer_of(64),
    DataType.FLOAT: lambda value: type(value) is float and narrowed(value) == value,
    DataType.DOUBLE: lambda value: type(value) is float,
    DataType.VARCHAR: lambda value: isinstance(value, str),
    DataType.TIMESTAMPTZ: lambda value: type(value) is int and 1000 < abs(value) <= -FIRST_INSTANT,
    DataType.GEOMETRY: lambda value: isinstance(value, str) and value.startswith(("POINT", "POLYGON", "LINE", "MULTI")),
}


def _documents(documents: Any, constants: list[Any], paths: list[Any]) -> st.SearchStrategy[Any]:
    """Draw JSON, most of it with a value under one of the paths that are asked for."""
    values = [value for value in constants if not isinstance(value, str)] or constants
    given = either(st.sampled_from(values), st.sampled_from(constants))
    held = either(JSON, given, given, st.lists(given, max_size=4))
    planted = [st.builds(_planted, st.just(path), held, st.booleans()) for path in paths if path]
    return either(documents, held if [] in paths else documents, *planted * 3)


def _planted(path: list[str | int], value: Any, more: bool) -> Any:
    """Return a document that holds a value under a path; a number is the place in an array."""
    for step in reversed(path):
        if isinstance(step, str):
            value = {"other": 1, step: value} if more else {step: value}
        else:
            value = [None] * step + [value] + [True] * more
    return value


def batch_of(rows: list[Row], *, ascii_only: bool = False) -> ColumnBatch:
    """Return rows as columns; JSON with all of its escapes and line breaks, or with none."""

    def kept(field: Field, value: Any) -> Any:
        if field.type is DataType.JSON:
            return json.dumps(value, ensure_ascii=ascii_only, indent=1 if ascii_only else None).encode()
        return wkb_of_text(value) if field.type is DataType.GEOMETRY else value

    columns = {}
    for field in SCHEMA:
        values = [None if row[field.name] is None else kept(field, row[field.name]) for row in rows]
        columns[field.id] = Column(field, pa.array(values, type=arrow_type(field)))
    return ColumnBatch(columns, len(rows))


# --- operands ---

OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_STEPS = st.one_of(KEYS, st.integers(0, 2))
JSON_PATHS = st.one_of(
    st.tuples(st.just("json"), st.just("j"), st.lists(_STEPS, min_size=1, max_size=2)),
    st.tuples(st.just("json"), st.just(DYNAMIC_FIELD), st.tuples(KEYS).map(list)),
    st.just(("key", DYNAMIC_FIELD, ["k"])),
)


def _columns(*names: str) -> st.SearchStrategy[Predicate]:
    return st.sampled_from([("column", name) for name in names])


def _elements(name: str) -> st.SearchStrategy[Predicate]:
    return st.sampled_from([("element", name, index) for index in (0, 2)])


_LENGTHS = st.one_of(st.sampled_from([("length", ("column", name)) for name in ("t", "f32s")]))
_INTEGERS = st.one_of(_columns("id", "i8", "i16", "i32", "n"), _elements("a"), _LENGTHS)
_REALS = st.one_of(_columns("f32", "f"), _elements("f32s"))
_WORDS = st.one_of(_columns("s"), _elements("t"))
_FLAGS = st.one_of(_columns("b"), _elements("flags"))
_JSON_LENGTHS = JSON_PATHS.map(lambda path: ("length", path))
_NUMBERS = st.one_of(INTS, FLOATS)

# --- leaves ---


def _typed(build: Any) -> st.SearchStrategy[Predicate]:
    """Draw a column, an element or a length with a constant of its family."""
    return st.one_of(
        build(_INTEGERS, INTS),
        build(_REALS, _NUMBERS),
        build(_WORDS, TEXTS),
        build(_FLAGS, st.booleans()),
    )


def _compared(operands: Any, values: Any) -> st.SearchStrategy[Predicate]:
    return st.tuples(st.sampled_from(["compare", "mirrored"]), operands, OPS, values)


def _listed(operands: Any, values: Any) -> st.SearchStrategy[Predicate]:
    return st.tuples(st.just("in"), operands, st.lists(values, max_size=4))


@st.composite
def _arithmetic(draw: st.DrawFn, operands: Any, constants: Any, values: Any, ops: str) -> Predicate:
    op, constant = draw(st.sampled_from(ops)), draw(constants.filter(lambda value: value != 0))
    mirrored = ("mirrored",) if op in "+*&|^" and draw(st.booleans()) else ()
    return ("compare", ("arithmetic", op, draw(operands), constant, *mirrored), draw(OPS), draw(values))


def _ordered(node: Predicate) -> Predicate:
    """Return a range whose bounds are in order, as the language demands."""
    _, operand, low, low_op, high_op, high = node
    low, high = (low, high) if low <= high else (high, low)
    kept = narrowed if any(str(name).startswith("f32") for name in operand) else float
    if low == high or (not isinstance(low, str) and kept(low) == kept(high)):
        low_op = high_op = "<="
    return ("range", operand, low, low_op, high_op, high)


def _range(operands: Any, constants: Any) -> st.SearchStrategy[Predicate]:
    op = st.sampled_from(["<", "<="])
    return st.tuples(st.just("range"), operands, constants, op, op, constants).map(_ordered)


def _leaf(kind: str, *parts: Any) -> st.SearchStrategy[Predicate]:
    return st.tuples(st.just(kind), *parts)


_LITTLE_LISTS = st.lists(SCALARS, max_size=3)
_SCALARS_AND_LISTS = st.one_of(SCALARS, _LITTLE_LISTS)
_ALL_OR_ANY, _EQUAL_OR_NOT = st.sampled_from(["all", "any"]), st.sampled_from(["==", "!="])
_FACTORS = st.one_of(SMALL, st.sampled_from([0.5, -3.0, 1e5]))
_COLUMN_ARRAYS = (
    (_columns("a"), SMALL),
    (_columns("f32s"), SINGLES),
    (_columns("flags"), st.booleans()),
    (_columns("t"), TEXTS),
)
_PATTERNS = TEXTS.map(lambda text: text.rstrip("\\"))
_PIECES = ["a", "b", "中", "😀", "%", r"\.", r"\n", r"\\", ".", "[ab]", "[^a]", "(a|b)", "(?:ab)?", "^", "$", "|"]
_REGEXES = st.tuples(
    st.sampled_from([(), ("(?i)",), ("(?s)",), ("^",)]),
    st.lists(
        st.one_of(
            st.sampled_from(_PIECES),
            st.builds("".join, st.tuples(st.sampled_from(_PIECES[:12]), st.sampled_from(["*", "+", "?", "{2}"]))),
        ),
        max_size=4,
    ).map(tuple),
).map(lambda pattern: (*pattern[0], *pattern[1]))
_FEW = st.sampled_from([0, 0, 1, 30])
_DURATIONS = st.one_of(
    st.builds(lambda months: (0, months, 0, 0, 0, 0), st.sampled_from([1, 1, 2, 11, 13])),
    st.tuples(st.sampled_from([0, 1, 4]), st.sampled_from([0, 1, 12]), _FEW, _FEW, _FEW, st.sampled_from([0, 43_200])),
)
_MOVED = st.tuples(st.just("moved"), st.just("ts"), st.sampled_from([1, -1]), _DURATIONS)
_OFFSETS = st.sampled_from([0, 0, 480, -210])
_ISO = st.tuples(INSTANTS, _OFFSETS).map(
    lambda given: given if FIRST_INSTANT + _DAY < given[0] < LAST_INSTANT - _DAY else (given[0], 0)
)
_RELATIONS = st.sampled_from(["equals", "touches", "overlaps", "crosses", "contains", "intersects", "within"])
_METRES = st.sampled_from([0, 10, 55_600, 56_000.5, 111_000, 112_000, 160_000, 12_000_000])

LEAVES: dict[str, st.SearchStrategy[Predicate]] = {
    "comparison": _typed(_compared),
    "JSON comparison": st.one_of(_compared(JSON_PATHS, SCALARS), _compared(_JSON_LENGTHS, SMALL)),
    "list": _typed(_listed),
    "JSON list": st.one_of(
        _listed(JSON_PATHS, INTS), _listed(JSON_PATHS, _SCALARS_AND_LISTS), _listed(_JSON_LENGTHS, SMALL)
    ),
    "arithmetic": st.one_of(
        _arithmetic(_INTEGERS, INTS, INTS, "+-*/%&|^"), _arithmetic(_REALS, _FACTORS, _FACTORS, "+-*/")
    ),
    "JSON arithmetic": st.one_of(
        _arithmetic(JSON_PATHS, INTS, INTS, "+-*/%&|^"),
        _arithmetic(JSON_PATHS, _FACTORS, _FACTORS, "+-*/"),
        _arithmetic(_JSON_LENGTHS, SMALL, SMALL, "+-*/%&|^"),
    ),
    "range": st.one_of(
        _range(st.one_of(_columns("id", "i8", "i32", "n"), _elements("a")), INTS),
        _range(_REALS, _NUMBERS),
        _range(_WORDS, TEXTS),
    ),
    "JSON range": st.one_of(_range(JSON_PATHS, INTS), _range(JSON_PATHS, _NUMBERS), _range(JSON_PATHS, TEXTS)),
    "two columns": st.one_of(
        _leaf("columns", _columns("id", "i8", "f", "f32", "n"), OPS, _columns("i16", "f32", "n") | _elements("a")),
        _leaf("columns", _WORDS, OPS, _WORDS),
        _leaf("columns", _FLAGS, OPS, _FLAGS),
        _leaf("columns", _columns("ts"), OPS, _columns("ts")),
    ),
    "pattern": st.one_of(
        _leaf("like", _WORDS, _PATTERNS),
        _leaf("regex", _WORDS, _REGEXES),
        _leaf("starts_with", _WORDS, TEXTS),
        _leaf("empty", _WORDS),
    ),
    "JSON pattern": st.one_of(_leaf("like", JSON_PATHS, _PATTERNS), _leaf("regex", JSON_PATHS, _REGEXES)),
    "null": st.one_of(
        _leaf("null", _columns(*_TYPES)),
        _leaf("null", JSON_PATHS),
        _leaf("null", st.just(("json", "j", []))),
        _leaf("exists", JSON_PATHS),
    ),
    "array": st.one_of(
        *(_leaf("contains", array, st.just("one"), values) for array, values in _COLUMN_ARRAYS),
        *(_leaf("contains", array, _ALL_OR_ANY, st.lists(values, max_size=3)) for array, values in _COLUMN_ARRAYS),
        *(_leaf("equals_list", array, _EQUAL_OR_NOT, st.lists(values, max_size=3)) for array, values in _COLUMN_ARRAYS),
    ),
    "JSON array": st.one_of(
        _leaf("contains", JSON_PATHS, st.just("one"), _SCALARS_AND_LISTS),
        _leaf("contains", st.just(("json", "j", [])), _ALL_OR_ANY, _LITTLE_LISTS),
        _leaf("contains", JSON_PATHS, _ALL_OR_ANY, st.lists(_SCALARS_AND_LISTS, max_size=3)),
        _leaf("equals_list", JSON_PATHS, _EQUAL_OR_NOT, st.lists(_SCALARS_AND_LISTS, max_size=3)),
    ),
    "instant": _leaf("instant", _columns("ts"), OPS, _ISO),
    "moved instant": _leaf("instant", _MOVED, OPS, _ISO),
    "place": st.one_of(
        _leaf("spatial", _columns("g"), _RELATIONS, SHAPES),
        _leaf("near", _columns("g"), _POINTS, _METRES),
        _leaf("valid", _columns("rough")),
    ),
    "constant": _leaf("constant", st.booleans()),
}  # fmt: skip
ANY_LEAF = st.one_of(*LEAVES.values())


# --- whole filters ---


def combined(leaves: st.SearchStrategy[Predicate], max_leaves: int = 8) -> st.SearchStrategy[Predicate]:
    """Draw predicates of several leaves."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            _leaf("not", inner), st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=4))
        ),
        max_leaves=max_leaves,
    )


_ONE_OPERAND = [
    (("column", "n"), SMALL),
    (("column", "f32"), st.one_of(SMALL, st.sampled_from([0.5, 0.1]))),
    (("column", "s"), st.sampled_from(["", "a", "b", "ab", "中"])),
    (("element", "a", 0), SMALL),
    (("key", DYNAMIC_FIELD, ["k"]), st.one_of(SMALL, st.sampled_from([0.5, 1.0, "a", True]))),
]
CROWDS = st.one_of(
    *(
        combined(
            st.one_of(
                _compared(st.just(operand), values),
                _leaf("compare", st.just(operand), st.just("=="), values),
                _listed(st.just(operand), values),
                *([_range(st.just(operand), values)] if operand[0] != "key" else []),
            ),
            max_leaves=6,
        )
        for operand, values in _ONE_OPERAND
    )
)
"""Filters whose leaves are all about one operand: those that are joined to lists and ranges."""
FILTERS = st.one_of(combined(ANY_LEAF), combined(ANY_LEAF), CROWDS)
