"""Predicates about the structs of an array: answered for all structs of all rows at once, then counted by row."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Final

from elanus._native.filter import count_in_runs
from elanus.expr.bound import And, ArrayRef, BoundExpr, ItemRef, OperandLeaf, Or, Quantifier, StructMatch
from elanus.expr.evaluation.cost import LIST_NS, row_cost
from elanus.expr.evaluation.leaves import evaluate
from elanus.expr.evaluation.select import select
from elanus.expr.evaluation.source import Source
from elanus.expr.evaluation.subset import Subset
from elanus.expr.evaluation.truth import Truth
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, varlen_buffers

STRUCTS_A_ROW: Final = 8.0
"""A guess, for the cost: counting would read the column, which an index on another field may spare."""


class Structs(Source):
    """The structs of every row, end to end, as rows: the sub-columns without their lists.

    offsets  int64 [rows + 1]: row r has the structs from offsets[r] up to offsets[r + 1]
    """

    def __init__(self, source: Source, sub_field: int) -> None:
        self._source = source
        offsets, _ = varlen_buffers(source.column(sub_field).data)
        self.offsets = offsets - offsets[0]

    @property
    def num_rows(self) -> int:
        """How many structs there are."""
        return int(self.offsets[-1])

    def column(self, field_id: int) -> Column:
        """Return a sub-field's values, one a struct, without a copy."""
        column = self._source.column(field_id)
        offsets, _ = varlen_buffers(column.data)
        return Column(column.field.element, column.data.values.slice(int(offsets[0]), self.num_rows))


@evaluate.register
def evaluate_structs(leaf: StructMatch, source: Source) -> Truth:
    """Count each row's structs for which the predicate is TRUE; of ``match_all`` those for which it is FALSE.

    Where indexes over sub-fields tell which rows may have such a struct, no others are looked at.
    """
    low, high = _COUNTS[leaf.quantifier](leaf.threshold)
    candidates = rows_with_item(leaf.predicate, source) if low else None
    if candidates is None:
        return Truth(_counted(leaf, source, low, high), None)
    rows = candidates.rows()
    found = _counted(leaf, Subset(source, rows), low, high)
    return Truth(Bitset.from_rows(rows[found.rows()], source.num_rows), None)


def _counted(leaf: StructMatch, source: Source, low: int, high: int | None) -> Bitset:
    structs = Structs(source, leaf.sub_field)
    counts_false = leaf.quantifier is Quantifier.ALL
    hits = select(leaf.predicate.negate() if counts_false else leaf.predicate, structs)
    return count_in_runs(structs.offsets, hits, low, high)


def rows_with_item(predicate: BoundExpr, source: Source) -> Bitset | None:
    """Return rows among which are all that have a struct for which a predicate is TRUE; None when no index knows.

    A row may satisfy each part of the predicate with another struct, so not every row that is returned has one.
    """
    if isinstance(predicate, And | Or):
        parts = [rows_with_item(item, source) for item in predicate.items]
        known = [part for part in parts if part is not None]
        if not known or (isinstance(predicate, Or) and len(known) < len(parts)):
            return None
        return reduce(operator.and_ if isinstance(predicate, And) else operator.or_, known)
    if not isinstance(predicate, OperandLeaf) or not isinstance(predicate.operand, ItemRef):
        return None
    over = ArrayRef(predicate.operand.field_id, predicate.operand.type)
    answers = (index.answer(predicate) for index in source.indexes(over))
    exact = next((answer for answer in answers if answer is not None and answer.exact), None)
    return None if exact is None else exact.truth().value


_COUNTS: Mapping[Quantifier, Callable[[int], tuple[int, int | None]]] = {
    Quantifier.ANY: lambda _: (1, None),
    Quantifier.ALL: lambda _: (0, 0),
    Quantifier.LEAST: lambda threshold: (threshold, None),
    Quantifier.MOST: lambda threshold: (0, threshold),
    Quantifier.EXACT: lambda threshold: (threshold, threshold),
    Quantifier.FILTER: lambda _: (1, None),
}
"""The least and the most structs that may count, None where there is no most."""


@row_cost.register
def structs_cost(leaf: StructMatch, source: Source) -> float:
    """Return the cost of the predicate for each struct, and of counting."""
    inner = sum(row_cost(inside, source) for inside in leaf.predicate.leaves())
    return STRUCTS_A_ROW * inner + LIST_NS
