"""A bound filter's TRUE rows: the cheapest way for each leaf, dear leaves last and over the rows that are left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from elanus.expr.bound import Always, And, BoundExpr, JsonRef, Leaf, OperandLeaf, Or
from elanus.expr.evaluation import leaves
from elanus.expr.evaluation.cost import GATHER_NS, SET_ROW_NS, row_cost
from elanus.expr.evaluation.leaves import evaluate
from elanus.expr.evaluation.source import Fit, LeafIndex, Source
from elanus.expr.evaluation.subset import Subset
from elanus.expr.evaluation.trace import Step
from elanus.expr.evaluation.truth import Truth
from elanus.model.bitset import Bitset

RULE_MODULES = (leaves,)
"""The modules whose import registers the rules of leaves and operands."""


def select(bound: BoundExpr, source: Source, within: Bitset | None = None, trace: Step | None = None) -> Bitset:
    """Return the rows of ``within`` (None: of all) for which the filter is TRUE; FALSE and UNKNOWN are left out.

    trace  filled with what was done, when given
    cost   for each leaf the cheapest of: an index, one pass over the column, a look at the rows that are left
    """
    rows = Bitset.all(source.num_rows) if within is None else within
    return _rows(bound, source, rows, trace)


def _rows(node: BoundExpr, source: Source, within: Bitset, trace: Step | None) -> Bitset:
    """Return the rows of ``within`` where a node is TRUE."""
    if trace is None:
        return _RULES[_kind(node)](node, source, within, None)
    begun = time.perf_counter()
    found = _RULES[_kind(node)](node, source, within, trace)
    trace.seconds = time.perf_counter() - begun
    trace.rows_in, trace.rows_out = within.count(), found.count()
    return found


def _kind(node: BoundExpr) -> type[BoundExpr]:
    return Leaf if isinstance(node, Leaf) else type(node)


def _always_rows(node: BoundExpr, source: Source, within: Bitset, trace: Step | None) -> Bitset:
    assert isinstance(node, Always)
    if trace is not None:
        trace.how = "constant"
    return within if node.value else Bitset.none(source.num_rows)


def _and_rows(node: BoundExpr, source: Source, within: Bitset, trace: Step | None) -> Bitset:
    """Narrow the rows down, cheap items first; nothing is asked once no row is left."""
    assert isinstance(node, And)
    for item, step in _ordered(node.items, source, within, trace, "and"):
        if not within.count():
            _skip(step)
            continue
        within = _rows(item, source, within, step)
    return within


def _or_rows(node: BoundExpr, source: Source, within: Bitset, trace: Step | None) -> Bitset:
    """Collect rows, cheap items first; each item is asked about the rows that no other has brought."""
    assert isinstance(node, Or)
    found, missing = Bitset.none(source.num_rows), within
    for item, step in _ordered(node.items, source, within, trace, "or"):
        if not missing.count():
            _skip(step)
            continue
        rows = _rows(item, source, missing, step)
        found, missing = found | rows, missing - rows
    return found


def _ordered(
    items: Iterable[BoundExpr], source: Source, within: Bitset, trace: Step | None, how: str
) -> Iterable[tuple[BoundExpr, Step | None]]:
    """Return the items by cost, each with its own step of the trace."""
    ordered = sorted(items, key=lambda item: _cost(item, source, within.count()))
    if trace is None:
        return [(item, None) for item in ordered]
    trace.how = how
    trace.steps = [Step(item) for item in ordered]
    return list(zip(ordered, trace.steps, strict=True))


def _skip(step: Step | None) -> None:
    if step is not None:
        step.how = "skipped"


def _cost(node: BoundExpr, source: Source, asked: int) -> float:
    if isinstance(node, Leaf):
        return _way(node, source, asked).cost
    return sum(_cost(item, source, asked) for item in getattr(node, "items", ()))


# --- leaves ---


@dataclass(frozen=True, slots=True)
class _Way:
    """How a leaf is answered: by an index, else by column, of the rows asked about or of all."""

    cost: float
    index: LeafIndex | None = None
    by_row: bool = False


def _way(leaf: Leaf, source: Source, asked: int) -> _Way:
    """Return the cheapest way to answer a leaf about ``asked`` rows."""
    row_ns = row_cost(leaf, source)
    best = min(
        _Way(source.num_rows * row_ns),
        _Way(asked * (row_ns + GATHER_NS), by_row=True),
        key=lambda way: way.cost,
    )
    if not isinstance(leaf, OperandLeaf):
        return best
    for index in source.indexes(leaf.operand):
        fit = index.fit(leaf)
        if fit is Fit.NO:
            continue
        rows = index.estimate(leaf)
        cost = rows * (SET_ROW_NS if fit is Fit.EXACT else SET_ROW_NS + row_ns + GATHER_NS)
        if cost < best.cost:
            best = _Way(cost, index)
    return best


def _leaf_rows(node: BoundExpr, source: Source, within: Bitset, trace: Step | None) -> Bitset:
    assert isinstance(node, Leaf)
    way = _way(node, source, within.count())
    if trace is not None:
        trace.how = _how(node, way, source)
    if way.index is not None:
        assert isinstance(node, OperandLeaf)
        return _indexed(node, way.index, source, trace).true_rows(negated=node.negated) & within
    if way.by_row:
        return _among(node, source, within)
    return evaluate(node, source).true_rows(negated=node.negated) & within


def _indexed(leaf: OperandLeaf, index: LeafIndex, source: Source, trace: Step | None) -> Truth:
    """Return an index' answer, its candidates looked at where it isn't exact."""
    truth = index.select(leaf)
    if index.fit(leaf) is Fit.EXACT:
        return truth
    candidates = truth.true_rows(negated=False)
    if trace is not None:
        trace.candidates = candidates.count()
    plain = leaf.negate() if leaf.negated else leaf
    return Truth(_among(plain, source, candidates), truth.known)


def _among(leaf: Leaf, source: Source, within: Bitset) -> Bitset:
    """Return the rows of ``within`` where a leaf is TRUE, looking at no others."""
    rows = within.rows()
    if not len(rows):
        return within
    subset = Subset(source, rows)
    true = evaluate(leaf, subset).true_rows(negated=leaf.negated)
    return Bitset.from_rows(rows[true.rows()], source.num_rows)


def _how(leaf: Leaf, way: _Way, source: Source) -> str:
    if way.index is not None:
        return f"index {way.index.title}"
    operand = getattr(leaf, "operand", None)
    inner = getattr(operand, "operand", getattr(operand, "array", operand))
    how = "column"
    if isinstance(inner, JsonRef):
        how = "typed JSON" if source.holds_json(inner.field_id, inner.path) else "raw JSON"
    return f"{how}, rows left" if way.by_row else how


_Rule = Callable[[BoundExpr, Source, Bitset, Step | None], Bitset]
_RULES: dict[type[BoundExpr], _Rule] = {Always: _always_rows, And: _and_rows, Or: _or_rows, Leaf: _leaf_rows}
