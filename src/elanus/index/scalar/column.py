"""AUTOINDEX over scalar fields: accepted, echoed, and answered by scanning the column."""

from __future__ import annotations

from typing import Final

from elanus.index.base import INDEX_KINDS, IndexKind
from elanus.model.types import DataType

AUTOINDEX: Final = "AUTOINDEX"

SCALARS: Final = (
    DataType.BOOL,
    DataType.INT8,
    DataType.INT16,
    DataType.INT32,
    DataType.INT64,
    DataType.FLOAT,
    DataType.DOUBLE,
    DataType.VARCHAR,
    DataType.ARRAY,
    DataType.JSON,
)

INDEX_KINDS.register(IndexKind(name=AUTOINDEX, family="scalar", metrics=dict.fromkeys(SCALARS, ())))
