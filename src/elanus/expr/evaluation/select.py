"""A bound filter's TRUE rows: the cheapest way for each leaf, dear leaves last and over the rows that are left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from elanus.expr.bound import Always, And, BoundExpr, JsonRef, Leaf, OperandLeaf, Or
from elanus.expr.evaluation import geometry, instants, leaves, text_search
from elanus.expr.evaluation.cost import GATHER_NS, SET_ROW_NS, row_cost
from elanus.expr.evaluation.leaves import evaluate
from elanus.expr.evaluation.source import Answer, Source
from elanus.expr.evaluation.subset import Subset
from elanus.expr.evaluation.trace import SKIPPED, Step
from elanus.expr.evaluation.truth import Truth
from elanus.model import deadline
from elanus.model.bitset import Bitset

RULE_MODULES = (geometry, instants, leaves, text_search)
"""The modules whose import registers the rules of leaves and operands."""


def select(bound: BoundExpr, source: Source, within: Bitset | None = None, trace: Step | None = None) -> Bitset:
    """Return the rows of ``within`` (None: of all) for which the filter is TRUE; FALSE and UNKNOWN are left out.

    trace   filled with what was done, when given
    raises  Expired or Cancelled once the call at hand is over; it is looked at between leaves
    cost    for each leaf the cheapest of: an index, one pass over the column, a look at the rows that are left
    """
    rows = Bitset.all(source.num_rows) if within is None else within
    return _Evaluation(source).rows(bound, rows, trace)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a leaf is answered: by an index, else by column, of the rows asked about or of all.

    cost  nanoseconds
    """

    cost: float
    title: str = ""
    answer: Answer | None = None
    by_row: bool = False


class _Evaluation:
    """One filter over one source; indexes are asked about a leaf once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[int, tuple[float, _Way]] = {}

    def rows(self, node: BoundExpr, within: Bitset, trace: Step | None) -> Bitset:
        """Return the rows of ``within`` where a node is TRUE."""
        if trace is None:
            return self._rows(node, within, None)
        begun = time.perf_counter()
        found = self._rows(node, within, trace)
        trace.seconds = time.perf_counter() - begun
        trace.rows_in, trace.rows_out = within.count(), found.count()
        return found

    def _rows(self, node: BoundExpr, within: Bitset, trace: Step | None) -> Bitset:
        if isinstance(node, Leaf):
            return self._leaf(node, within, trace)
        return _RULES[type(node)](self, node, within, trace)

    def always(self, node: Any, within: Bitset, trace: Step | None) -> Bitset:
        """Return all rows or none."""
        if trace is not None:
            trace.how = "constant"
        return within if node.value else Bitset.none(self._source.num_rows)

    def every(self, node: Any, within: Bitset, trace: Step | None) -> Bitset:
        """Narrow the rows down, cheap items first; nothing is asked once no row is left."""
        for item, step in self._ordered(node.items, within, trace, "and"):
            if within.any():
                within = self.rows(item, within, step)
            elif step is not None:
                step.how = SKIPPED
        return within

    def some(self, node: Any, within: Bitset, trace: Step | None) -> Bitset:
        """Collect rows, cheap items first; each item is asked about the rows that no other has brought."""
        found, missing = Bitset.none(self._source.num_rows), within
        for item, step in self._ordered(node.items, within, trace, "or"):
            if missing.any():
                rows = self.rows(item, missing, step)
                found, missing = found | rows, missing - rows
            elif step is not None:
                step.how = SKIPPED
        return found

    def _ordered(
        self, items: Sequence[BoundExpr], within: Bitset, trace: Step | None, how: str
    ) -> Iterable[tuple[BoundExpr, Step | None]]:
        """Return the items by cost, each with its own step of the trace."""
        asked = within.count()
        ordered = sorted(items, key=lambda item: self._cost(item, asked))
        if trace is None:
            return [(item, None) for item in ordered]
        trace.how = how
        trace.steps = [Step(item) for item in ordered]
        return list(zip(ordered, trace.steps, strict=True))

    def _cost(self, node: BoundExpr, asked: int) -> float:
        if isinstance(node, Leaf):
            return self._way(node, asked).cost
        return sum(self._cost(item, asked) for item in getattr(node, "items", ()))

    # --- leaves ---

    def _leaf(self, leaf: Leaf, within: Bitset, trace: Step | None) -> Bitset:
        deadline.check()
        way = self._way(leaf, within.count())
        if trace is not None:
            trace.how = _how(leaf, way, self._source)
        if way.by_row:
            return _among(leaf, self._source, within, negated=leaf.negated)
        truth = evaluate(leaf, self._source) if way.answer is None else self._answered(leaf, way.answer, within, trace)
        return truth.true_rows(negated=leaf.negated) & within

    def _way(self, leaf: Leaf, asked: int) -> _Way:
        """Return the cheapest way to answer a leaf about ``asked`` rows."""
        known = self._known.get(id(leaf))
        if known is None:
            row_ns = row_cost(leaf, self._source)
            known = self._known[id(leaf)] = row_ns, _whole(leaf, self._source, row_ns)
        row_ns, whole = known
        by_row = asked * (row_ns + GATHER_NS)
        return _Way(by_row, by_row=True) if by_row < whole.cost else whole

    def _answered(self, leaf: Leaf, answer: Answer, within: Bitset, trace: Step | None) -> Truth:
        """Return an index' answer for the rows of ``within``, its candidates looked at where it isn't exact."""
        truth = answer.truth()
        if answer.exact:
            return truth
        candidates = truth.true_rows(negated=False) & within
        if trace is not None:
            trace.candidates = candidates.count()
        return Truth(_among(leaf, self._source, candidates, negated=False), truth.known)


def _whole(leaf: Leaf, source: Source, row_ns: float) -> _Way:
    """Return the cheapest way to answer a leaf about all rows."""
    best = _Way(source.num_rows * row_ns)
    if not isinstance(leaf, OperandLeaf):
        return best
    for index in source.indexes(leaf.operand):
        answer = index.answer(leaf)
        if answer is not None:
            cost = answer.work * (SET_ROW_NS if answer.exact else SET_ROW_NS + row_ns + GATHER_NS)
            best = _Way(cost, index.title, answer) if cost < best.cost else best
    return best


def _among(leaf: Leaf, source: Source, within: Bitset, *, negated: bool) -> Bitset:
    """Return the rows of ``within`` where a leaf, or its negation, is TRUE, looking at no others."""
    rows = within.rows()
    if not len(rows):
        return within
    true = evaluate(leaf, Subset(source, rows)).true_rows(negated=negated)
    return Bitset.from_rows(rows[true.rows()], source.num_rows, ascending=True)


def _how(leaf: Leaf, way: _Way, source: Source) -> str:
    if way.answer is not None:
        return f"index {way.title}"
    base = leaf.operand.base if isinstance(leaf, OperandLeaf) else None
    how = "column"
    if isinstance(base, JsonRef):
        how = "typed JSON" if source.holds_json(base.field_id, base.path) else "raw JSON"
    return f"{how}, rows left" if way.by_row else how


_Rule = Callable[[_Evaluation, Any, Bitset, Step | None], Bitset]
_RULES: dict[type[BoundExpr], _Rule] = {Always: _Evaluation.always, And: _Evaluation.every, Or: _Evaluation.some}
