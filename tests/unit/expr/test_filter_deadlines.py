"""A filter is given up between two of its parts once the call that asked is over."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from elanus._native.core import CallLimit
from elanus.expr import BatchSource, bind, select
from elanus.expr.evaluation import geometry
from elanus.model import deadline
from elanus.model.columns import Column, ColumnBatch
from elanus.model.geometry import wkb_of_text
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

ROWS = 100
SCHEMA = Schema(
    (
        Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
        Field(id=FieldId(101), name="n", type=DataType.INT64),
        Field(id=FieldId(102), name="g", type=DataType.GEOMETRY),
    )
)
SHAPE = wkb_of_text("POLYGON ((0 0, 4 0, 0 4, 0 0))")


class Cancelling(BatchSource):
    """Rows whose reading cancels the call, and which count how often they are read."""

    def __init__(self, limit: CallLimit) -> None:
        numbers = np.arange(ROWS)
        columns = {
            FieldId(100): Column(DataType.INT64, pa.array(numbers)),
            FieldId(101): Column(DataType.INT64, pa.array(numbers)),
            FieldId(102): Column(DataType.GEOMETRY, pa.array([SHAPE] * ROWS, pa.large_binary())),
        }
        super().__init__(ColumnBatch(columns, ROWS))
        self.limit = limit
        self.reads = 0

    def column(self, field_id: int) -> Column:
        self.reads += 1
        self.limit.cancel()
        return super().column(field_id)


@pytest.mark.parametrize("joined", ["and", "or"])
def test_what_is_left_of_a_filter_is_not_looked_at(joined: str) -> None:
    parts = [f"{name} % 7 != {number}" for name in ("id", "n") for number in range(10, 15)]
    if joined == "or":
        parts = [part.replace("!=", "==") for part in parts]
    bound = bind(f" {joined} ".join(parts), SCHEMA)
    source = Cancelling(CallLimit())
    select(bound, source)
    whole = source.reads
    source = Cancelling(CallLimit())
    with deadline.limited(source.limit), pytest.raises(deadline.Cancelled):
        select(bound, source)
    assert source.reads < whole


def test_geometries_are_compared_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    limit, chunks = CallLimit(), []
    real = geometry.geometries_of

    def cancelling(shapes: pa.Array) -> object:
        chunks.append(len(shapes))
        if len(chunks) == 3:
            limit.cancel()
        return real(shapes)

    monkeypatch.setattr(geometry, "CHUNK_ROWS", 10)
    monkeypatch.setattr(geometry, "geometries_of", cancelling)
    bound = bind("st_intersects(g, 'LINESTRING (1 1, 3 3)')", SCHEMA)
    with deadline.limited(limit), pytest.raises(deadline.Cancelled):
        select(bound, Cancelling(CallLimit()))
    assert chunks == [10, 10, 10]
