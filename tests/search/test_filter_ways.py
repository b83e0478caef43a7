"""Every line of the filter table in each form that rows can have, and by every index that can answer it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import filter_cases
import filter_table
from elanus.expr import BoundExpr, RawJson, Source, bind, select
from elanus.index import INDEX_KINDS
from elanus.model.bitset import Bitset
from forced_indexes import KINDS, ForcedIndexes
from segment_forms import growing, sealed

SCHEMA = filter_table.SCHEMA
BATCH = filter_table.batch()
LINES: list[tuple[str, list[int], BoundExpr]] = [
    (text, expected, bind(text, SCHEMA, values)) for text, expected, values in filter_cases.LEGAL
]

FORMS: dict[str, Callable[[], Source]] = {
    "growing, one row at a time": lambda: growing(BATCH, SCHEMA, range(1, 8)),
    "growing": lambda: growing(BATCH, SCHEMA),
    "sealed": lambda: sealed(BATCH, SCHEMA, typed_json=False),
    "sealed, typed JSON": lambda: sealed(BATCH, SCHEMA, typed_json=True),
    "sealed, typed JSON that is not to be used": lambda: RawJson(sealed(BATCH, SCHEMA, typed_json=True)),
}


def keys(rows: Bitset) -> list[int]:
    return [int(row) + 1 for row in rows.rows()]


def assert_table(source: Source) -> None:
    """Check each line over all rows and over every other one, and that no row is TRUE under NOT as well."""
    odd = Bitset.from_mask(np.arange(8) % 2 == 0)
    for text, expected, bound in LINES:
        assert keys(select(bound, source)) == expected, text
        assert keys(select(bound, source, odd)) == [key for key in expected if key % 2], text
        assert not set(keys(select(bound.negate(), source))) & set(expected), text


@pytest.mark.parametrize("form", FORMS)
def test_lines_select_the_same_rows_in_every_form(form: str) -> None:
    assert_table(FORMS[form]())


@pytest.mark.parametrize("opened", [False, True], ids=["built", "opened"])
@pytest.mark.parametrize("kind", KINDS)
def test_lines_select_the_same_rows_by_index(kind: str, opened: bool, tmp_path: Path) -> None:
    source = ForcedIndexes(BATCH, SCHEMA, kind, tmp_path if opened else None)
    assert_table(source)
    unused = [index for index in source.unused() if "[" not in index]
    assert not unused, "no line is answered by these"
    used = {index.title for indexes in source.built.values() for index in indexes} - set(source.unused())
    casts = {str(cast) for cast in INDEX_KINDS[kind].casts if cast != "JSON"}
    assert casts == {title.split(" as ")[1].split(" ")[0] for title in used if "[" in title}
    assert used
