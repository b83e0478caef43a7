"""Random filters, whole and damaged, and what must hold of each; run shortly by the tests, at length by a tool."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import filter_grammar
import msgspec
from hypothesis import assume
from hypothesis import strategies as st

import filter_cases
import filter_table
from elanus.expr import bind, parse, sampled, select
from elanus.expr.describe import describe
from elanus.expr.nodes import Binary, Equalities, Literal, Logic, Node
from elanus.model.errors import InvalidParameter

_SOURCE = filter_table.source()
_VALUES = {"v": 1, "l": ["a", 1, [True]], "t": "a%", "f": 0.5, "b": True, "i": [1, 2], "s": ["a", ""]}
_ALL_CASES = [case[0] for section in filter_cases.SECTIONS.values() for case in section]


# --- what must hold ---


def check_answer(text: str) -> None:
    """Whatever binds can be pickled, described and evaluated; whatever does not bind is the caller's mistake."""
    try:
        bound, _ = sampled(bind(text, filter_table.SCHEMA, _VALUES))
    except InvalidParameter:
        return
    again = pickle.loads(pickle.dumps(bound))
    assert again == bound
    assert hash(again) == hash(bound)
    assert describe(bound, filter_table.SCHEMA)
    try:
        rows = select(again, _SOURCE)
    except InvalidParameter as error:
        if "needs a text index" not in str(error):
            raise
        return
    assert rows == select(bound, _SOURCE), text
    assert (rows & select(bound.negate(), _SOURCE)).count() == 0, text
    assert rows == select(bound.negate().negate(), _SOURCE), text


def check_syntax(text: str) -> None:
    """The parser reads what the grammar reads, and its errors of syntax are about other texts only."""
    try:
        parse(text)
    except InvalidParameter as error:
        syntactic = "mismatched input" in str(error) or "token recognition error" in str(error)
        assert not (syntactic and filter_grammar.accepts(text)), text
    else:
        assert filter_grammar.accepts(text), text


def check_both(text: str) -> None:
    """Check the syntax and the answer."""
    check_syntax(text)
    check_answer(text)


def check_meaning(text: str) -> None:
    """Check a text that must bind."""
    bind(text, filter_table.SCHEMA)
    check_both(text)


def check_grouping(drawn: tuple[list[str], list[str]]) -> None:
    """Operators bind as the levels of the grammar say."""
    operands, operators = drawn
    written = " ".join(part for pair in zip(operands, [*operators, ""], strict=True) for part in pair)
    assert _spread(parse(written).root) == _spread(parse(filter_grammar.grouped(operands, operators)).root), written


def _spread(node: Any) -> Any:
    """Return a tree with every chain of equalities written out."""
    if isinstance(node, tuple):
        return tuple(_spread(item) for item in node)
    if not isinstance(node, Node):
        return node
    if isinstance(node, Logic):
        return Logic(node.op, tuple(other for item in node.items for other in _written_out(item)))
    changed = {name: _spread(getattr(node, name)) for name in node.__struct_fields__}
    return msgspec.structs.replace(node, **changed)


def _written_out(item: Node) -> tuple[Node, ...]:
    if not isinstance(item, Equalities):
        return (_spread(item),)
    op = "!=" if item.negated else "=="
    return tuple(Binary(op, _spread(item.operand), Literal(value)) for value in item.values)


# --- texts ---


def _list(items: list[str]) -> str:
    return f"[{', '.join(items)}]"


def _spelled(*words: str) -> st.SearchStrategy[str]:
    return st.sampled_from([form for word in words for form in (word, word.upper(), word.capitalize())])


_SPACE = st.sampled_from([" ", " ", " ", "  ", "\n", "\t "])
_INTEGERS = st.one_of(
    st.integers(-3, 120).map(str), st.integers(-(2**64), 2**64).map(str),
    st.sampled_from(["0x64", "0b101", "0144", "0", "00", "08", "-0", "9223372036854775807", "9223372036854775808"]),
)  # fmt: skip
_FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from([".5", "10.", "1e1", "1.5e-3", "0x1.8p1", "0x1p-2", "1e999", "1e-999", "1.e2", "-0.0"]),
)
_STRINGS = st.one_of(
    st.sampled_from(["apple", "a%", "%e%", "_pple", "", "a_b", "red", "x", "naïve 中文", "(?i)A", "^$", "POINT (0 0)"]),
    st.text(st.sampled_from("ab%_()[]*+?.^$|\\ \"'\n中😀\0nux41"), max_size=6),
).flatmap(
    lambda text: st.sampled_from(
        [
            '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"',
            "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'",
            'r"' + text + '"',
            "u8'" + text + "'",
            '"' + text + '"',
        ]
    )
)
_TRUTHS = st.sampled_from(["true", "True", "FALSE", "false", "tRue"])
_TEMPLATES = st.sampled_from(["{v}", "{l}", "{t}", "{f}", "{b}", "{i}", "{s}", "{none}", "{ v }"])
_SCALARS = st.one_of(_INTEGERS, _INTEGERS, _FLOATS, _STRINGS, _TRUTHS, _TEMPLATES)
_LISTS = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=4).map(_list), max_leaves=6)
_NAMES = "id i n f b s a t j txt ts g emb color dn $meta nosuch null Not iso is"
_COLUMNS = st.sampled_from(_NAMES.split())
_STEPS = st.sampled_from(['["k"]', "['k']", "[0]", '["l"]', '[r"x"]', '["p"]["q"]', "[k]", "[1][z]", '[""]', "[007]"])
_PATHS = st.one_of(_COLUMNS, _COLUMNS, st.tuples(_COLUMNS, _STEPS).map("".join))


def _call(name: st.SearchStrategy[str], *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(name, st.tuples(*arguments)).map(lambda drawn: f"{drawn[0]}({', '.join(drawn[1])})")


_OPERANDS = st.one_of(
    _PATHS,
    _PATHS,
    _SCALARS,
    _call(_spelled("array_length"), _PATHS),
    st.tuples(_PATHS, st.sampled_from([*"+-*/%&|^", "**"]), _SCALARS).map(lambda drawn: f"({' '.join(drawn)})"),
)
_COMPARED = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_OPTIONS = st.sampled_from(["", ", 2", ", minimum_should_match=2", ", max_edit_distance=1", ", slop=1", ", -1"])


def _worded(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.tuples(*parts), _SPACE).map(lambda drawn: drawn[1].join(drawn[0]))


_LEAVES = st.one_of(
    _worded(_OPERANDS, _COMPARED, _OPERANDS),
    _worded(_PATHS, _COMPARED, _SCALARS),
    _worded(_SCALARS, st.sampled_from(["<", "<=", ">"]), _PATHS, st.sampled_from(["<", "<=", ">"]), _SCALARS),
    _worded(_OPERANDS, _spelled("in", "not in"), _LISTS),
    _worded(_PATHS, _spelled("like"), _SCALARS),
    _worded(_PATHS, st.sampled_from(["=~", "!~"]), _STRINGS),
    _worded(_PATHS, _spelled("is null", "is not null", "is  null")),
    _worded(_spelled("exists"), _PATHS),
    _call(_spelled("array_contains", "json_contains"), _PATHS, _LISTS),
    _call(_spelled("array_contains_all", "json_contains_any"), _PATHS, _LISTS),
    _call(_spelled("empty", "st_isvalid", "nofunc"), _PATHS),
    _call(_spelled("starts_with", "st_within", "st_equals"), _PATHS, _SCALARS),
    _call(
        _spelled("text_match", "text_match_fuzzy", "phrase_match"), _PATHS, st.tuples(_SCALARS, _OPTIONS).map("".join)
    ),
    _call(_spelled("random_sample"), _SCALARS),
    _worded(_COLUMNS, _COMPARED, st.sampled_from(['ISO "2025-01-01T00:00:00Z"', "iso 'x'", 'INTERVAL "P1D"'])),
    _SCALARS,
    _PATHS,
)
FILTERS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        _worded(inner, _spelled("and", "or"), inner),
        _worded(inner, st.sampled_from(["&&", "||", "|", "&"]), inner),
        _worded(_spelled("not"), inner),
        inner.map("({})".format),
        inner.map("!({})".format),
        st.tuples(inner, st.integers(2, 6), st.sampled_from([" or ", " and "])).map(
            lambda drawn: drawn[2].join([drawn[0]] * drawn[1])
        ),
    ),
    max_leaves=6,
)
"""Texts of the grammar, most with a meaning, some without."""

_INT = st.sampled_from(["id", "i", "n", "a[0]", "a[2]", "array_length(a)", "array_length(t)"])
_TEXT = st.sampled_from(["s", "t[0]", "txt"])
_JSON = st.sampled_from(['j["k"]', "color", "dn", 'j["l"][0]', 'j["p"]["q"]'])
_SMALL = st.integers(-4, 12).map(str)
_SMALL_FLOATS = st.sampled_from(["-2.25", "0", ".5", "1.5", "10.", "1e2"])
_WORDS = st.sampled_from(['"apple"', "'a'", '""', 'r"a_b"', '"x"', '"red"', '"zz"'])
_PATTERNS = st.sampled_from(['"a%"', "'%e'", '"%p_%"', '"apple"', r'r"100\%"'])
_ANY = st.one_of(_SMALL, _SMALL_FLOATS, _WORDS, st.sampled_from(["true", "false"]))


def _several(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=4).map(_list)


_MEANT = st.one_of(
    _worded(_INT, _COMPARED, _SMALL),
    _worded(_SMALL, _COMPARED, _INT),
    _worded(st.just("f"), _COMPARED, _SMALL_FLOATS),
    _worded(_TEXT, _COMPARED, _WORDS),
    _worded(_JSON, _COMPARED, _ANY),
    _worded(st.just("b"), _COMPARED, st.sampled_from(["true", "False"])),
    _worded(_INT, _spelled("in", "not in"), _several(_SMALL)),
    _worded(_TEXT, _spelled("in", "not in"), _several(_WORDS)),
    _worded(_JSON, _spelled("in", "not in"), _several(_ANY)),
    _worded(st.one_of(_TEXT, _JSON), _spelled("like"), _PATTERNS),
    _worded(_JSON, _spelled("is null", "is not null")),
    _worded(st.sampled_from(["n", "s", "t", "j", "f", "ts", "g"]), _spelled("is null", "is not null")),
    _worded(_spelled("exists"), _JSON),
    st.tuples(_SMALL, st.integers(0, 5)).map(lambda drawn: f"{drawn[0]} <= i < {int(drawn[0]) + drawn[1] + 1}"),
    _call(_spelled("array_contains"), st.just("a"), _SMALL),
    _call(_spelled("array_contains_all", "json_contains_any"), st.sampled_from(["a", "dn"]), _several(_SMALL)),
    _worded(st.sampled_from(["(i + 1)", "(i % 3)", "(n * 2)", '(j["k"] + 1)']), _COMPARED, _SMALL),
    _worded(st.sampled_from(["id", "i", "n", "f"]), _COMPARED, st.sampled_from(["id", "i", "n", "f"])),
)
MEANINGFUL = st.recursive(
    _MEANT,
    lambda inner: st.one_of(
        st.tuples(st.lists(inner, min_size=2, max_size=5), _spelled("and", "or"), _SPACE).map(
            lambda drawn: f"({f'{drawn[2]}{drawn[1]} '.join(drawn[0])})"
        ),
        inner.map("not ({})".format),
    ),
    max_leaves=12,
)
"""Texts that bind, all of them."""

_PIECES = """
    id i n f b s a t j txt ts g emb $meta color nosuch true FALSE null and or not in like is exists iso interval
    Not And Is NULL array_length array_contains json_contains_all empty starts_with text_match phrase_match
    random_sample st_isvalid minimum_should_match == != < <= > >= + - * / % ** & | ^ ~ ! =~ !~ << >> = ( ) [ ] { } , $
    && || 0 1 7 -3 0x10 017 08 0b1 9223372036854775808 1.5 .5 1. 1e3 1e999 0x1p3 0.5 "k" 'x%' r"\\d" "\\u4e2d" u8"x"
    L'y' ["a","b"] [1,2,] [1.5,-2] [] {v} {l} $[n] " ' \\ # . ; @ ? ` \u4e2d \u00a0 \0
"""
PIECES = [*_PIECES.split(" "), "[1, 2]", "is null", "IS NOT NULL", "\n", "\t", '\\"', ""]


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    """Return a text with a few places replaced, doubled or left out."""
    text = draw(st.one_of(st.sampled_from(_ALL_CASES), FILTERS))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(0, len(text))))
        stop = min(len(text), start + draw(st.integers(0, 4)))
        inserted = draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=2), st.just(text[start:stop] * 2)))
        text = text[:start] + inserted + text[stop:]
    return text


@st.composite
def _noise(draw: st.DrawFn) -> str:
    """Return a text whose bytes were changed, as far as it is still UTF-8."""
    data = bytearray(draw(st.sampled_from(_ALL_CASES)).encode())
    for _ in range(draw(st.integers(1, 6))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return data.decode("utf-8", draw(st.sampled_from(["ignore", "replace", "surrogateescape"])))


_ATOMS = ["c", "d", "e", "(h)", "1", "2.5", '"x"', "j[0]", "f(c)", "[1]", "{v}"]


@st.composite
def _chains(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Return operands and the operators between them."""
    flat = [operator for level in filter_grammar.LEVELS for operator in level]
    operators = draw(st.lists(st.sampled_from(flat), min_size=1, max_size=9))
    tight = [operator for level in filter_grammar.LEVELS[filter_grammar.UNARY :] for operator in level]
    operands = [draw(st.sampled_from(_ATOMS))]
    for operator in operators:
        atoms = ['"x"'] if operator in ("=~", "!~") else _ATOMS
        operands.append(draw(st.sampled_from(atoms)))
    for place, operand in enumerate(operands):
        if (place == 0 or operators[place - 1] not in tight) and draw(st.booleans()):
            # NOT of a column reads on, which is no matter of precedence.
            prefixes = ["-", "+", "~", "! -"] if operand in ("c", "d", "e", "(h)", "j[0]") else ["-", "~", "not", "- !"]
            operands[place] = f"{draw(st.sampled_from(prefixes))} {operand}"
    relations = filter_grammar.LEVELS[filter_grammar.LEVELS.index(["<", "<=", ">", ">="])]
    looser = {operator for level in filter_grammar.LEVELS[:6] for operator in level}
    last = ""
    for operator in operators:  # two relations in a row may be a range
        assume(not (operator in relations and last in relations))
        last = operator if operator in relations or operator in looser else last
    return operands, operators


FAMILIES: Mapping[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "any text": (st.text(max_size=60), check_both),
    "any tokens": (st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join), check_both),
    "tokens without spaces": (st.lists(st.sampled_from(PIECES), max_size=8).map("".join), check_both),
    "filters": (FILTERS, check_both),
    "meaningful filters": (MEANINGFUL, check_meaning),
    "damaged filters": (_damaged(), check_both),
    "changed bytes": (_noise(), check_both),
    "chains of operators": (_chains(), check_grouping),
}
"""What is drawn, and what is checked of it."""
