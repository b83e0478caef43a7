"""Partial updates: rows completed from what is stored, against dictionaries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus._native.json import merge_objects, without_key
from elanus.ingest.partial import Draft, by_stored_partition
from elanus.ingest.stored import Stored
from elanus.ingest.versions import ABSENT, ANY, check_versions, take_versions
from elanus.model.columns import Column, ColumnBatch, arrow_type, varlen_buffers
from elanus.model.errors import InvalidParameter, VersionConflict
from elanus.model.ids import FieldId, PartitionId
from elanus.model.schema import VERSION, Field, Schema
from elanus.model.types import DataType

ID = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
A = Field(id=FieldId(101), name="a", type=DataType.INT64, nullable=True)
B = Field(id=FieldId(102), name="b", type=DataType.VARCHAR, max_length=8, default="none")
V = Field(id=FieldId(103), name="v", type=DataType.FLOAT_VECTOR, dim=2)
META = Field(id=FieldId(104), name="$meta", type=DataType.JSON, is_dynamic=True)
SCHEMA = Schema((ID, A, B, V, META))

keys = st.text(st.sampled_from('ab"\\\n/é😀'), max_size=2)
values = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2) | st.just({"a": {}})
objects = st.dictionaries(keys, values, max_size=4)


def column(field: Field, rows: Sequence[Any]) -> Column:
    return Column(field, pa.array(rows, type=arrow_type(field)))


def texts(rows: Sequence[Any], *, escaped: bool) -> pa.Array:
    return pa.array([json.dumps(row, ensure_ascii=escaped).encode() for row in rows], type=pa.large_binary())


def stored_of(rows: Sequence[dict[str, Any] | None]) -> Stored:
    """Return rows as a lookup finds them; None where no row is there. Row ``i`` has version ``i + 1``."""
    there = [row for row in rows if row is not None]

    def read(fields: Sequence[Field]) -> ColumnBatch:
        return ColumnBatch(
            {field.id: column(field, [row[field.name] for row in there]) for field in fields}, len(there)
        )

    versions = np.array([0 if row is None else number + 1 for number, row in enumerate(rows)], dtype=np.int64)
    partitions = np.array([0 if row is None else row["id"] % 2 + 7 for row in rows], dtype=np.int64)
    return Stored(pa.array(np.arange(len(rows))), versions, partitions, read)


@given(st.lists(st.tuples(objects, objects), max_size=5), st.booleans(), st.booleans())
def test_objects_merge_key_by_key(pairs: list[tuple[Any, Any]], one_escaped: bool, other_escaped: bool) -> None:
    older = varlen_buffers(texts([one for one, _ in pairs], escaped=one_escaped))
    newer = varlen_buffers(texts([other for _, other in pairs], escaped=other_escaped))
    offsets, data = merge_objects(older, newer)
    found = [json.loads(bytes(data[start:end])) for start, end in pairwise(offsets)]
    assert found == [{**one, **other} for one, other in pairs]


@given(st.lists(objects, max_size=5), keys, st.booleans())
def test_a_key_is_taken_out_of_objects(rows: list[Any], name: str, escaped: bool) -> None:
    offsets, data = without_key(*varlen_buffers(texts(rows, escaped=escaped)), name)
    found = [json.loads(bytes(data[start:end])) for start, end in pairwise(offsets)]
    assert found == [{key: value for key, value in row.items() if key != name} for row in rows]


@given(st.data())
def test_rows_are_what_came_and_else_what_is_stored(data: st.DataObject) -> None:
    row = st.fixed_dictionaries(
        {
            "a": st.none() | st.integers(0, 9),
            "b": st.sampled_from(["", "x", "yé"]),
            "v": st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=2),
            "$meta": st.dictionaries(st.sampled_from("pqr"), st.integers(0, 9)),
        }
    )
    stored = data.draw(st.lists(st.none() | row, min_size=1, max_size=6))
    came = data.draw(st.lists(row, min_size=len(stored), max_size=len(stored)))
    names = data.draw(st.lists(st.sampled_from(["a", "b", "$meta"]), unique=True))
    names += ["v"] if None in stored else data.draw(st.sampled_from([[], ["v"]]))

    def encoded(field: Field, one: dict[str, Any]) -> Any:
        return json.dumps(one[field.name]).encode() if field.is_dynamic else one[field.name]

    def numbered(one: dict[str, Any], number: int) -> dict[str, Any]:
        return {"id": number, **{field.name: encoded(field, one) for field in SCHEMA if not field.is_primary}}

    given_columns = {ID.id: column(ID, range(len(stored)))}
    given_columns |= {
        SCHEMA[name].id: column(SCHEMA[name], [encoded(SCHEMA[name], one) for one in came]) for name in names
    }
    looked_up = stored_of([None if one is None else numbered(one, number) for number, one in enumerate(stored)])
    batch = Draft(SCHEMA, given_columns, {}, len(stored)).complete(looked_up)
    for number, (old, new) in enumerate(zip(stored, came, strict=True)):
        base = {"a": None, "b": "none", "$meta": {}} if old is None else old
        expected = {**base, **{name: new[name] for name in names}}
        expected["$meta"] = {**base["$meta"], **(new["$meta"] if "$meta" in names else {})}
        found = {field.name: batch[field.id].data[number].as_py() for field in SCHEMA}
        assert {**found, "$meta": json.loads(found["$meta"])} == {"id": number, **expected}


def test_new_rows_need_what_an_insert_needs() -> None:
    draft = Draft(SCHEMA, {ID.id: column(ID, [0, 1])}, {}, 2)
    old = {"id": 0, "a": 1, "b": "x", "v": [1.0, 2.0], "$meta": b"{}"}
    draft.complete(stored_of([old, old]))
    with pytest.raises(InvalidParameter, match=r"fieldSchema\(v\) has no corresponding fieldData pass in"):
        draft.complete(stored_of([old, None]))


def test_rows_go_where_they_are_or_to_a_named_partition() -> None:
    batch = ColumnBatch({ID.id: column(ID, [0, 1, 2])}, 3)
    stored = stored_of([{"id": 0}, {"id": 1}, None])
    default = PartitionId(5)
    went = {home: part[ID.id].data.to_pylist() for home, part in by_stored_partition(None, default, stored, batch)}
    assert went == {5: [2], 7: [0], 8: [1]}
    ((home, whole),) = by_stored_partition(PartitionId(9), default, stored, batch)
    assert (home, whole is batch) == (9, True)


def test_expected_versions_come_out_of_the_dynamic_field_however_the_key_is_spelled() -> None:
    rows = [b'{"$version":5,"p":1}', b'{"p":2}', b'{"\\u0024version":null}', b'{"p":{"$version":3}}', None]
    columns = [column(ID, range(5)), column(META, rows)]
    (kept_id, kept), expected = take_versions(columns, 5)
    assert kept_id is columns[0]
    assert expected is not None
    assert expected.tolist() == [5, ANY, ABSENT, ANY, ANY]
    assert kept.data.to_pylist() == [b'{"p":1}', b'{"p":2}', b"{}", b'{"p":{"$version":3}}', b"{}"]


def test_a_batch_that_expects_nothing_stays_what_it_is() -> None:
    columns = [column(ID, [0, 1]), column(META, [b'{"p":"$version"}', b'{"v":{"$version":1}}'])]
    kept, expected = take_versions(columns, 2)
    assert expected is None
    assert kept == columns


def test_versions_as_a_column_and_as_keys_at_once_are_refused() -> None:
    columns = [column(ID, [0]), column(META, [b'{"$version":1}']), column(VERSION, [1])]
    with pytest.raises(InvalidParameter, match="as a column and as a dynamic key"):
        take_versions(columns, 1)
    _, expected = take_versions([columns[0], column(VERSION, [None])], 1)
    assert expected is not None
    assert expected.tolist() == [ABSENT]


def test_the_first_conflicts_are_named_and_the_others_counted() -> None:
    stored = stored_of([{"id": 0}, None, {"id": 2}, {"id": 3}, {"id": 4}])
    check_versions(stored, np.array([1, 0, 3, ANY, 5]))
    with pytest.raises(VersionConflict) as caught:
        check_versions(stored, np.array([9, 1, 0, ANY, 4]))
    assert str(caught.value) == (
        "version conflict, nothing is written; primary keys: 0 (expected version 9, actual version 1), "
        "1 (expected version 1, actual no row), 2 (expected no row, actual version 3) and 1 more: invalid parameter"
    )
