"""One rule a leaf: its answer for every row of a source, without its negation."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from elanus._native.filter import Interval
from elanus.expr.bound import (
    Between,
    ColumnsCompare,
    Compare,
    Contains,
    Exists,
    In,
    IsNull,
    JsonRef,
    Leaf,
    Match,
)
from elanus.expr.evaluation.json_values import JsonValues
from elanus.expr.evaluation.operands import load
from elanus.expr.evaluation.source import Source
from elanus.expr.evaluation.truth import Truth
from elanus.model.bitset import Bitset


@singledispatch
def evaluate(leaf: Leaf, _source: Source) -> Truth:
    """Return a leaf's answer for every row, without its negation."""
    raise TypeError(f"no rule evaluates {type(leaf).__name__}")


def _values(leaf: Any, source: Source) -> Any:
    """The binder has matched leaf and operand: the values know what the leaf asks."""
    return load(leaf.operand, source)


@evaluate.register
def evaluate_compare(leaf: Compare, source: Source) -> Truth:
    """Compare with a constant; a whole array with a list."""
    values = _values(leaf, source)
    truth: Truth = values.compare(leaf.op, leaf.value)
    return truth


@evaluate.register
def evaluate_between(leaf: Between, source: Source) -> Truth:
    """Compare with both bounds."""
    interval = Interval(leaf.low, leaf.high, not leaf.low_inclusive, not leaf.high_inclusive)
    truth: Truth = _values(leaf, source).within(interval)
    return truth


@evaluate.register
def evaluate_in(leaf: In, source: Source) -> Truth:
    """Look each row up in the list."""
    truth: Truth = _values(leaf, source).is_in(leaf.members)
    return truth


@evaluate.register
def evaluate_contains(leaf: Contains, source: Source) -> Truth:
    """Look for elements."""
    values = _values(leaf, source)
    lists = values.lists() if isinstance(values, JsonValues) else values
    truth: Truth = lists.contains(leaf.members, every=leaf.every)
    return truth


@evaluate.register
def evaluate_match(leaf: Match, source: Source) -> Truth:
    """Match texts."""
    truth: Truth = _values(leaf, source).matches(leaf.matching, leaf.pattern)
    return truth


@evaluate.register
def evaluate_columns(leaf: ColumnsCompare, source: Source) -> Truth:
    """Compare two columns."""
    left: Any = load(leaf.left, source)
    truth: Truth = left.compare_with(leaf.op, load(leaf.right, source))
    return truth


@evaluate.register
def evaluate_null(leaf: IsNull, source: Source) -> Truth:
    """Tell null cells from others."""
    valid = source.column(leaf.field_id).validity
    return Truth(Bitset.none(source.num_rows) if valid is None else ~valid, None)


@evaluate.register
def evaluate_exists(leaf: Exists, source: Source) -> Truth:
    """Tell paths with a value from others."""
    operand = leaf.operand
    if not isinstance(operand, JsonRef):
        raise TypeError("only JSON paths exist")
    return Truth(source.json_values(operand.field_id, operand.path).exists(), None)
