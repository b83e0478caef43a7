"""Which leaves an index over distinct keys answers, and with the rows of which keys: one rule a leaf."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

from elanus._native.filter import Interval
from elanus.expr.bound import Between, Compare, Contains, In, Match, Matching, OperandLeaf
from elanus.expr.evaluation.cost import MATCHING_NS, SET_ROW_NS
from elanus.expr.like import parts
from elanus.index.scalar.keys import Keys, Spans, TextKeys, span, spans_at

Accepts = Callable[[Any], bool]
"""Whether the index compares with a constant as the values themselves do."""


# --- values: one key a row ---


@singledispatch
def answers(_leaf: OperandLeaf, _accepts: Accepts) -> bool:
    """Whether an index over values answers a leaf over its operand."""
    return False


@answers.register
def _answers_compare(leaf: Compare, accepts: Accepts) -> bool:
    return accepts(leaf.value)


@answers.register
def _answers_between(leaf: Between, accepts: Accepts) -> bool:
    return accepts(leaf.low) and accepts(leaf.high)


@answers.register
def _answers_in(leaf: In, accepts: Accepts) -> bool:
    """An empty list is left to the column: which rows are known depends on values of every type."""
    return bool(leaf.values) and all(map(accepts, leaf.values))


@answers.register
def _answers_match(_leaf: Match, accepts: Accepts) -> bool:
    return accepts("")


@singledispatch
def spans_of(leaf: OperandLeaf, _keys: Any) -> Spans:
    """Return the spans of the keys for which a leaf is TRUE."""
    raise TypeError(f"no rule finds the keys of {type(leaf).__name__}")


@spans_of.register
def _compare_spans(leaf: Compare, keys: Keys) -> Spans:
    return _inside(Interval.of(leaf.op, leaf.value), keys)


@spans_of.register
def _between_spans(leaf: Between, keys: Keys) -> Spans:
    return _inside(Interval(leaf.low, leaf.high, not leaf.low_inclusive, not leaf.high_inclusive), keys)


@spans_of.register
def _in_spans(leaf: In, keys: Keys) -> Spans:
    return spans_at(keys.find(leaf.values))


@spans_of.register
def _match_spans(leaf: Match, keys: TextKeys) -> Spans:
    first, end = keys.prefixed(_prefix(leaf))
    if leaf.matching is Matching.PREFIX:
        return span(first, end)
    return spans_at(first + keys.matching(leaf.matching, leaf.pattern, first, end))


def _prefix(leaf: Match) -> str:
    """Return what a text must begin with to match."""
    if leaf.matching is Matching.PREFIX:
        return leaf.pattern
    begin = parts(leaf.pattern)[0] if leaf.matching is Matching.LIKE else ""
    return begin if isinstance(begin, str) else ""


def candidates_of(leaf: Match, keys: Any) -> tuple[Spans, int]:
    """Return the keys that may match, and what it takes to match them one by one, in rows set."""
    first, end = keys.prefixed(_prefix(leaf))
    return span(first, end), int((end - first) * MATCHING_NS[leaf.matching] / SET_ROW_NS)


def _inside(interval: Interval, keys: Keys) -> Spans:
    low, high, low_open, high_open = interval
    if _is_nan(low) or _is_nan(high):
        return span(0, 0)
    first = 0 if low is None else keys.below(low, through=low_open)
    return span(first, len(keys) if high is None else keys.below(high, through=not high_open))


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


# --- elements: the keys of a row are its array's elements ---


def wanted_elements(leaf: OperandLeaf) -> Sequence[Any]:
    """Return the elements that a leaf over arrays asks for; none when it asks for something else."""
    if isinstance(leaf, Contains):
        return leaf.values
    if isinstance(leaf, Compare) and isinstance(leaf.value, tuple):
        return leaf.value
    return ()


def wants_every(leaf: OperandLeaf) -> bool:
    """Whether all of them must be there; an array that equals a list has all of its elements."""
    return not isinstance(leaf, Contains) or leaf.every
