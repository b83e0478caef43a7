"""What must hold of any rows and any filter: each check takes a drawn case and compares with the row interpreter.

The tests run the families shortly and always alike, ``tools/fuzz_filters.py`` at random for as long as one likes.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filter_rows
import numpy as np
from filter_rows import SCHEMA, Case, batch_of, cases
from hypothesis import strategies as st
from row_interpreter import holds
from row_texts import render, render_with_templates

from elanus.expr import BatchSource, BoundExpr, RawJson, Source, Step, bind, select
from elanus.expr.bound import And, Between, In, Leaf, LengthOf, OperandLeaf, Or, Spatial
from elanus.expr.describe import SHOWN_VALUES, describe
from elanus.expr.pruning import check_of
from elanus.model.bitset import Bitset
from elanus.model.types import DataType
from forced_indexes import KINDS, ForcedIndexes, steps_of
from segment_forms import growing, sealed

Check = Callable[[Case], None]


def expected(case: Case, *, negated: bool = False) -> list[int]:
    """Return the rows for which the predicate is TRUE, or FALSE when negated."""
    wanted = not negated
    return [number for number, row in enumerate(case.rows) if holds(case.predicate, row) is wanted]


def bound_both(case: Case) -> list[tuple[BoundExpr, list[int]]]:
    """Return the filter and its negation, each bound from a text, with the rows that it is to select."""
    text = render(case.predicate)
    return [
        (bind(text, SCHEMA), expected(case)),
        (bind(f"not ({text})", SCHEMA), expected(case, negated=True)),
    ]


def assert_selects(source: Source, case: Case) -> None:
    for bound, rows in bound_both(case):
        assert select(bound, source).rows().tolist() == rows, render(case.predicate)


# --- columns ---


def check_columns(case: Case) -> None:
    """The evaluator answers as the row interpreter does."""
    assert_selects(BatchSource(batch_of(case.rows, ascii_only=case.coin)), case)


def check_templates(case: Case) -> None:
    """It makes no difference whether constants are written out or given as templates."""
    text, values = render_with_templates(case.predicate)
    found = select(bind(text, SCHEMA, values), BatchSource(batch_of(case.rows)))
    assert found.rows().tolist() == expected(case), (text, values)


def check_some_rows(case: Case) -> None:
    """Only rows that are asked about are answered, and they as ever."""
    source = BatchSource(batch_of(case.rows))
    for bound, rows in bound_both(case):
        found = select(bound, source, Bitset.from_mask(case.mask))
        assert found.rows().tolist() == [row for row in rows if case.mask[row]], render(case.predicate)


def check_many_rows(case: Case) -> None:
    """Bits of many rows fill whole words, and part of the last one."""
    count = 515 if case.coin else 63 + sum(case.asked)
    places = np.random.default_rng(count).integers(len(case.rows), size=count)
    source = BatchSource(batch_of(case.rows).take(places))
    for bound, rows in bound_both(case):
        assert select(bound, source).mask().tolist() == np.isin(places, rows).tolist(), render(case.predicate)


def check_written_again(case: Case) -> None:
    """A bound filter survives pickling, and being described and bound again."""
    source = BatchSource(batch_of(case.rows))
    for bound, rows in bound_both(case):
        again = pickle.loads(pickle.dumps(bound))
        assert again == bound
        assert select(again, source).rows().tolist() == rows
        if all(map(_can_be_written, bound.leaves())):
            text = describe(bound, SCHEMA)
            assert select(bind(text, SCHEMA), source).rows().tolist() == rows, text


def _can_be_written(leaf: Leaf) -> bool:
    """Joined conditions may be lists and ranges of instants, or ranges of lengths; what is long is cut short."""
    if isinstance(leaf, In | Between) and leaf.operand.type is DataType.TIMESTAMPTZ:
        return False
    if isinstance(leaf, In):
        return len(leaf.values) <= SHOWN_VALUES
    if isinstance(leaf, Spatial):
        return len(leaf.geometry) < 100
    return not (isinstance(leaf, Between) and isinstance(leaf.operand, LengthOf))


# --- traces ---


def check_trace(case: Case) -> None:
    """A trace accounts for every row that was asked about."""
    source, within = BatchSource(batch_of(case.rows)), Bitset.from_mask(case.mask)
    for bound, _ in bound_both(case):
        trace = Step(bound)
        found = select(bound, source, within, trace)
        assert (trace.rows_in, trace.rows_out) == (within.count(), found.count())
        assert_step(trace)


def assert_step(step: Step) -> None:
    """Check that the parts of AND hand on the rows that are left, and those of OR the rows that are missing."""
    assert step.how
    assert 0 <= step.rows_out <= step.rows_in
    if not isinstance(step.node, And | Or):
        assert not step.steps
        assert step.candidates < 0 or isinstance(step.node, OperandLeaf)
        return
    assert sorted(id(inner.node) for inner in step.steps) == sorted(map(id, step.node.items))
    asked = [inner for inner in step.steps if inner.how != "skipped"]
    assert step.steps[: len(asked)] == asked
    left = step.rows_in
    for inner in asked:
        assert inner.rows_in == left
        left = inner.rows_out if isinstance(step.node, And) else left - inner.rows_out
        assert_step(inner)
    assert step.rows_out == (left if isinstance(step.node, And) else step.rows_in - left)
    assert len(asked) == len(step.steps) or left == 0
    assert step.seconds >= sum(inner.seconds for inner in asked)


# --- indexes ---


def index_check(kind: str) -> Check:
    """Return the check of indexes of a kind."""
    return lambda case: assert_answered(case, kind)


def assert_answered(case: Case, kind: str) -> None:
    """Check the answers of indexes, as they were built or once they were saved and opened, wherever they have one."""
    with tempfile.TemporaryDirectory() as folder:
        source = ForcedIndexes(batch_of(case.rows), SCHEMA, kind, Path(folder) if case.coin else None)
        for bound, rows in bound_both(case):
            trace = Step(bound)
            assert select(bound, source, None, trace).rows().tolist() == rows, render(case.predicate)
            assert_used(trace, source)
            found = select(bound, source, Bitset.from_mask(case.mask))
            assert found.rows().tolist() == [row for row in rows if case.mask[row]], render(case.predicate)


def assert_used(trace: Step, source: ForcedIndexes) -> None:
    """Check that every leaf that an index answers was answered by it, and no other leaf by any."""
    for step in steps_of(trace):
        leaf = step.node
        if isinstance(leaf, OperandLeaf) and step.how != "skipped" and step.rows_in:
            answering = [index.title for index in source.indexes(leaf.operand) if index.answer(leaf) is not None]
            assert step.how == f"index {answering[0]}" if answering else not step.how.startswith("index")


def check_any_index(case: Case) -> None:
    """Whole filters are answered by indexes, over few rows and over many."""
    kind = KINDS[sum(case.asked) % len(KINDS)]
    assert_answered(case, kind)
    places = np.random.default_rng(7).integers(len(case.rows), size=70)
    source = ForcedIndexes(batch_of(case.rows).take(places), SCHEMA, kind)
    for bound, rows in bound_both(case):
        assert select(bound, source).mask().tolist() == np.isin(places, rows).tolist(), render(case.predicate)


# --- segments ---


def check_growing(case: Case) -> None:
    """A growing segment answers, whose rows came in several parts."""
    cuts = [row for row, asked in enumerate(case.asked) if asked]
    assert_selects(growing(batch_of(case.rows), SCHEMA, cuts), case)


def check_sealed(case: Case) -> None:
    """A segment read from files answers: JSON from texts or typed columns; it is passed over with reason only."""
    batch = batch_of(case.rows, ascii_only=case.asked[0])
    assert_keys(sealed(batch, SCHEMA, typed_json=case.coin), case)
    for bound, rows in bound_both(case):
        assert check_of(bound)(sealed(batch, SCHEMA, typed_json=False).statistics) is None or not rows


def check_typed_json(case: Case) -> None:
    """Typed columns say what the texts say."""
    segment = sealed(batch_of(case.rows, ascii_only=case.coin), SCHEMA, typed_json=True)
    assert_keys(segment, case)
    assert_keys(RawJson(segment), case)


def assert_keys(segment: Source, case: Case) -> None:
    """Check the selected rows by their keys: in files they lie in another order."""
    for bound, rows in bound_both(case):
        keys = segment.column(SCHEMA["id"].id).take(select(bound, segment).rows()).data.to_pylist()
        assert keys == sorted(case.rows[row]["id"] for row in rows), render(case.predicate)


# --- families ---

_COLUMNS = ["comparison", "list", "range", "pattern", "array", "instant", "place"]
_JSON = ["JSON comparison", "JSON list", "JSON range", "JSON pattern", "JSON array"]
_ANSWERED_BY = {
    "RTREE": [["place"]],
    "Trie": [["comparison", "list", "range", "pattern"]],
    "NGRAM": [["pattern", "comparison"], ["JSON pattern", "JSON comparison"]],
}


def _leaves(families: list[str]) -> Any:
    return cases(st.one_of([filter_rows.LEAVES[family] for family in families]), min_size=1)


_FILTERS = cases(filter_rows.FILTERS, min_size=1)

FAMILIES: Mapping[str, tuple[st.SearchStrategy[Case], Check]] = {
    **{family: (cases(leaves), check_columns) for family, leaves in filter_rows.LEAVES.items()},
    **{
        f"by {kind}: {answered[0]}": (_leaves(answered), index_check(kind))
        for kind in KINDS
        for answered in _ANSWERED_BY.get(kind, [_COLUMNS, _JSON])
    },
    "whole filters": (cases(filter_rows.FILTERS), check_columns),
    "joined conditions": (cases(filter_rows.CROWDS), check_columns),
    "templates": (cases(filter_rows.combined(filter_rows.ANY_LEAF, 3)), check_templates),
    "some rows": (_FILTERS, check_some_rows),
    "many rows": (_FILTERS, check_many_rows),
    "written again": (_FILTERS, check_written_again),
    "traces": (_FILTERS, check_trace),
    "whole filters by index": (_FILTERS, check_any_index),
    "growing": (_FILTERS, check_growing),
    "sealed": (_FILTERS, check_sealed),
    "typed JSON": (_leaves([*_JSON, "JSON arithmetic", "null"]), check_typed_json),
}
"""Cases and what must hold of each."""
