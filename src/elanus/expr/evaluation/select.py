"""A bound filter's TRUE rows: one rule a leaf, AND and OR over whole columns."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from elanus.expr.bound import (
    Always,
    And,
    Between,
    BoundExpr,
    ColumnsCompare,
    Compare,
    Contains,
    Exists,
    In,
    IsNull,
    JsonRef,
    Leaf,
    Match,
    Or,
)
from elanus.expr.evaluation.json_values import JsonValues
from elanus.expr.evaluation.operands import load
from elanus.expr.evaluation.source import Source
from elanus.expr.evaluation.truth import Mask, Truth
from elanus.model.bitset import Bitset


def select(bound: BoundExpr, source: Source) -> Bitset:
    """Return the rows for which the filter is TRUE; FALSE and UNKNOWN rows are left out.

    cost  one pass over the columns of each leaf; AND stops when no row is left, OR when none is missing
    """
    if isinstance(bound, Always):
        return Bitset.all(source.num_rows) if bound.value else Bitset.none(source.num_rows)
    return Bitset.from_mask(true_rows(bound, source))


@singledispatch
def true_rows(node: BoundExpr, _source: Source) -> Mask:
    """Return the rows where a node is TRUE, as bool [rows]."""
    raise TypeError(f"no rule evaluates {type(node).__name__}")


@true_rows.register
def always_rows(node: Always, source: Source) -> Mask:
    """Return every row or none."""
    return np.full(source.num_rows, node.value, dtype=np.bool_)


@true_rows.register
def and_rows(node: And, source: Source) -> Mask:
    """Return the rows TRUE in every item."""
    rows = true_rows(node.items[0], source)
    for item in node.items[1:]:
        if not rows.any():
            break
        rows = rows & true_rows(item, source)
    return rows


@true_rows.register
def or_rows(node: Or, source: Source) -> Mask:
    """Return the rows TRUE in any item."""
    rows = true_rows(node.items[0], source)
    for item in node.items[1:]:
        if rows.all():
            break
        rows = rows | true_rows(item, source)
    return rows


@true_rows.register
def leaf_rows(node: Leaf, source: Source) -> Mask:
    """Return the rows where a leaf is TRUE, or FALSE when it is negated."""
    return evaluate(node, source).true_rows(negated=node.negated)


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
    values = _values(leaf, source)
    low = values.compare(">=" if leaf.low_inclusive else ">", leaf.low)
    high = values.compare("<=" if leaf.high_inclusive else "<", leaf.high)
    return Truth(low.value & high.value, low.known)


@evaluate.register
def evaluate_in(leaf: In, source: Source) -> Truth:
    """Look each row up in the list."""
    truth: Truth = _values(leaf, source).is_in(leaf.values)
    return truth


@evaluate.register
def evaluate_contains(leaf: Contains, source: Source) -> Truth:
    """Look for elements."""
    values = _values(leaf, source)
    lists = values.lists() if isinstance(values, JsonValues) else values
    truth: Truth = lists.contains(leaf.values, every=leaf.every)
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
    valid = source.column(leaf.field_id).valid
    return Truth(np.zeros(source.num_rows, dtype=np.bool_) if valid is None else ~valid, None)


@evaluate.register
def evaluate_exists(leaf: Exists, source: Source) -> Truth:
    """Tell paths with a value from others."""
    operand = leaf.operand
    if not isinstance(operand, JsonRef):
        raise TypeError("only JSON paths exist")
    return Truth(source.json_values(operand.field_id, operand.path).exists(), None)
