"""Array operators against lists of Python."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.ingest.array_ops import FieldOp, combined
from elanus.model.columns import Column, arrow_type
from elanus.model.errors import InvalidParameter
from elanus.model.ids import FieldId
from elanus.model.schema import Field
from elanus.model.types import DataType

VALUES: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.BOOL: st.booleans(),
    DataType.INT8: st.integers(-2, 2),
    DataType.INT64: st.sampled_from([0, 1, 2**63 - 1, -(2**63)]),
    DataType.FLOAT: st.sampled_from([0.0, -0.0, 0.5, 1e30]),
    DataType.DOUBLE: st.sampled_from([0.0, -0.0, 0.1, 1e300]),
    DataType.VARCHAR: st.sampled_from(["", "a", "b", "é"]),
}
CAPACITY = 6


def field_of(kind: DataType) -> Field:
    return Field(id=FieldId(1), name="f", type=DataType.ARRAY, element_type=kind, max_capacity=CAPACITY, max_length=8)


@given(st.data())
def test_operators_do_what_they_say_to_every_row(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(VALUES)))
    array = st.none() | st.lists(VALUES[kind], max_size=3)
    pairs = data.draw(st.lists(st.tuples(array, array), max_size=6))
    start = data.draw(st.integers(0, len(pairs)))
    field = field_of(kind)
    # Slices: the arrays may begin anywhere in their buffers.
    stored, came = (
        Column(field, pa.array([pair[side] for pair in pairs], type=arrow_type(field)).slice(start)) for side in (0, 1)
    )
    rows = [(one or [], other or []) for one, other in pairs[start:]]
    appended = combined(FieldOp.ARRAY_APPEND, stored, came).data
    removed = combined(FieldOp.ARRAY_REMOVE, stored, came).data
    appended.validate(full=True)
    removed.validate(full=True)
    assert appended.type == removed.type == arrow_type(field)
    narrow = pa.array([1e30], type=pa.float32())[0].as_py()
    expected = [[[narrow if value == 1e30 else value for value in side] for side in row] for row in rows]
    assert appended.to_pylist() == [one + other for one, other in expected]
    assert removed.to_pylist() == [[value for value in one if value not in other] for one, other in expected]


def test_an_array_that_grows_beyond_its_capacity_is_refused() -> None:
    field = field_of(DataType.INT64)
    full = Column(field, pa.array([[1], [1] * CAPACITY], type=arrow_type(field)))
    combined(FieldOp.ARRAY_APPEND, full, Column(field, pa.array([[2], []], type=arrow_type(field))))
    with pytest.raises(InvalidParameter, match="array length 7 exceeds max_capacity 6, field: f, row: 1"):
        combined(FieldOp.ARRAY_APPEND, full, Column(field, pa.array([[2], [2]], type=arrow_type(field))))
