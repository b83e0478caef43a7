"""Arrays of structs below the wire: merged segments keep them, and columns that differ are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from elanus.engine import CollectionName
from elanus.engine.collections import CreateCollection
from elanus.engine.data import Insert
from elanus.engine.indexes import CreateIndex
from elanus.engine.partitions import Load
from elanus.engine.search import Query
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema, StructField
from elanus.model.types import DataType

C = CollectionName("default", "c")
CAPACITY = (("max_capacity", "4"),)


def _sub(name: str, kind: DataType, element: DataType, *params: tuple[str, str]) -> Field:
    return Field(id=0, name=f"s[{name}]", type=kind, element_type=element, struct="s", params=(*CAPACITY, *params))


SCHEMA = Schema(
    (
        Field(id=0, name="id", type=DataType.INT64, is_primary=True),
        Field(id=0, name="v", type=DataType.FLOAT_VECTOR, params=(("dim", "4"),)),
        _sub("n", DataType.ARRAY, DataType.INT64),
        _sub("e", DataType.ARRAY_OF_VECTOR, DataType.FLOAT_VECTOR, ("dim", "2")),
    ),
    structs=(StructField(id=0, name="s", nullable=True),),
)


def _structs(key: int) -> list[int] | None:
    """Return what the structs of a row hold: none of them, one to three, or null."""
    return None if key % 5 == 4 else list(range(key, key + key % 4))


def _put(house, keys: list[int], **others: list) -> None:
    fields = house.instance.collection(C).manifest.schema
    rows = [_structs(key) for key in keys]
    values = {
        "id": keys,
        "v": [[float(key)] * 4 for key in keys],
        "s[n]": rows,
        "s[e]": [None if row is None else [[float(n), 1.0] for n in row] for row in rows],
    } | others
    columns = [
        Column(fields[name], pa.array(given, arrow_type(fields[name])))
        for name, given in values.items()
        if given is not None
    ]
    house.run(Insert(C, columns, len(keys)))


def _create(house, *more: Field) -> None:
    house.run(CreateCollection(C, replace(SCHEMA, fields=(*SCHEMA.fields, *more))))
    house.run(CreateIndex(C, "v", "", (("index_type", "FLAT"), ("metric_type", "L2"))))
    house.run(Load(C))


def _read(house) -> tuple[list[int], list, list]:
    result = house.run(Query(collection=C, filter="id >= 0", output_fields=("s",)))
    keys, struct = result.columns
    numbers, vectors = struct.columns
    return keys.column.data.to_pylist(), numbers.data.to_pylist(), vectors.data.to_pylist()


def test_merged_segments_hold_the_structs_of_every_row(house):
    _create(house)
    collection = house.instance.collection(C)
    times = house.services.settings.segment.merge_at
    for turn in range(times):
        _put(house, list(range(turn, 7 * times, times)))
        collection.flush()
    house.settle(C)
    assert len(collection.manifest.segments) == 1
    house.reopen()
    keys, numbers, vectors = _read(house)
    assert keys == list(range(7 * times))
    assert numbers == [_structs(key) for key in keys]
    assert vectors == [None if row is None else [[float(n), 1.0] for n in row] for row in numbers]


@pytest.mark.parametrize("key", [1, 4])
def test_a_struct_that_is_not_given_is_null(house, key):
    _create(house)
    _put(house, [key], **{"s[n]": None, "s[e]": None})
    assert _read(house) == ([key], [None], [None])


@pytest.mark.parametrize(
    ("others", "phrase"),
    [
        ({"s[n]": [[1, 2], [1]]}, "inconsistent struct element count in struct 's' at row 1: 'n' has 1, 'e' has 2"),
        ({"s[n]": [[1], [1, 2]]}, "inconsistent struct element count in struct 's' at row 0: 'n' has 1, 'e' has 2"),
        ({"s[n]": [None, [1, 2]]}, "sub-field ValidData mismatch in struct 's' at row 0: 'n'=False, 'e'=True"),
        ({"s[n]": None}, "sub-field ValidData mismatch in struct 's' at row 0: 'n'=False, 'e'=True"),
        ({"s[e]": [[[1.0, 1.0]] * 5, [[1.0, 1.0]] * 2]}, "exceeds max capacity (4)"),
        ({"s[e]": [[[1.0, np.nan]] * 2, [[1.0, 1.0]] * 2]}, "value 'NaN' is not a number or infinity"),
    ],
)
def test_sub_columns_that_disagree_are_refused(house, others, phrase):
    _create(house)
    with pytest.raises(InvalidParameter) as caught:
        _put(house, [2, 6], **others)
    assert phrase in str(caught.value)


def test_dynamic_keys_cannot_have_a_struct_s_name(house):
    _create(house, Field(id=0, name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True))
    with pytest.raises(InvalidParameter, match="dynamic field name cannot include the static field name: s, row: 0"):
        _put(house, [1], **{DYNAMIC_FIELD: [b'{"s": 1}']})
