"""A schema with every data type and random batches of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import ARROW_SCALARS, VECTOR_DTYPES, Column, ColumnBatch, arrow_type, vector_array
from elanus.model.schema import Field, Schema
from elanus.model.types import ARRAY_ELEMENTS, DENSE_VECTORS, DataType

SCALARS = [kind for kind in ARROW_SCALARS if kind is not DataType.SPARSE_FLOAT_VECTOR]
KINDS = [*((kind, DataType.NONE) for kind in (*SCALARS, DataType.SPARSE_FLOAT_VECTOR, *sorted(DENSE_VECTORS)))]
KINDS += [(DataType.ARRAY, element) for element in sorted(ARRAY_ELEMENTS)]
KINDS += [(DataType.ARRAY_OF_VECTOR, element) for element in sorted(DENSE_VECTORS)]


def all_types() -> Schema:
    """Return a schema with each type once required and once nullable; ids are far from names and places."""
    fields = [Field(id=900, name="id", type=DataType.INT64, is_primary=True)]
    for number, (kind, element) in enumerate(KINDS):
        for nullable in (False, True):
            name = f"{kind.name}_{element.name}_{nullable}".lower()
            field_id = 100 + 2 * number + nullable
            dim = 16 if DENSE_VECTORS & {kind, element} else 0
            fields.append(Field(id=field_id, name=name, type=kind, element_type=element, dim=dim, nullable=nullable))
    return Schema(tuple(fields))


def random_batch(schema: Schema, rows: int, seed: int) -> ColumnBatch:
    """Return random values for every field; about a third of the nullable ones are null."""
    rng = np.random.default_rng(seed)
    return ColumnBatch({field.id: Column(field, random_array(field, rows, rng)) for field in schema}, rows)


def random_array(field: Field, rows: int, rng: np.random.Generator) -> pa.Array:
    """Return random values of one field."""
    valid = rng.random(rows) > 1 / 3 if field.nullable else np.ones(rows, dtype=np.bool_)
    if field.type in DENSE_VECTORS:
        matrix = random_matrix(field, rows, rng)
        matrix[~valid] = 0
        return vector_array(field, matrix, valid if field.nullable else None)
    if field.type is DataType.ARRAY_OF_VECTOR:
        return random_lists(field, rows, rng, valid)
    if field.type is DataType.ARRAY:
        values = [[random_value(field.element_type, rng) for _ in range(rng.integers(0, 4))] for _ in range(rows)]
    else:
        values = [random_value(field.type, rng) for _ in range(rows)]
    return pa.array([value if ok else None for value, ok in zip(values, valid, strict=True)], arrow_type(field))


def random_lists(field: Field, rows: int, rng: np.random.Generator, valid: NDArray[np.bool_]) -> pa.Array:
    """Return lists of random vectors, null where not ``valid``."""
    lengths = rng.integers(0, 4, rows) * valid
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    vectors = vector_array(field.element, random_matrix(field.element, int(offsets[-1]), rng))
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little")) if field.nullable else None
    return pa.Array.from_buffers(arrow_type(field), rows, [bitmap, pa.py_buffer(offsets)], children=[vectors])


def random_matrix(field: Field, rows: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return any bytes as vectors, NaN included."""
    raw = rng.integers(0, 256, (rows, field.row_bytes), dtype=np.uint8)
    return raw.view(VECTOR_DTYPES[field.type])


def random_value(kind: DataType, rng: np.random.Generator) -> object:
    """Return one value."""
    if kind is DataType.BOOL:
        return bool(rng.integers(2))
    if kind in (DataType.FLOAT, DataType.DOUBLE):
        return float(np.float32(rng.standard_normal()))
    if kind is DataType.VARCHAR:
        return "".join(chr(int(point)) for point in rng.integers(0x20, 0x3000, rng.integers(0, 9)))
    if kind is DataType.JSON:
        return b'{"n": %d, "s": "\xc3\xa9"}' % rng.integers(-9, 9)
    if kind is DataType.GEOMETRY:
        return b"\x01\x01\x00\x00\x00" + rng.random(2).tobytes()
    if kind is DataType.SPARSE_FLOAT_VECTOR:
        indices = np.unique(rng.integers(0, 2**32, rng.integers(0, 5), dtype=np.uint32))
        pairs = np.zeros(len(indices), dtype=[("index", "<u4"), ("value", "<f4")])
        pairs["index"], pairs["value"] = indices, rng.random(len(indices))
        return pairs.tobytes()
    return int(rng.integers(-100, 100))


def assert_same_column(found: Column, expected: Column) -> None:
    """Compare bit for bit where a row is not null."""
    assert found.field == expected.field
    assert found.data.type == expected.data.type
    assert found.data.is_valid().equals(expected.data.is_valid())
    if expected.field.type in DENSE_VECTORS:
        assert found.matrix().tobytes() == expected.matrix().tobytes()
    elif expected.field.type is DataType.ARRAY_OF_VECTOR:
        assert found.data.value_lengths().equals(expected.data.value_lengths())
        element = expected.field.element
        assert_same_column(Column(element, found.data.flatten()), Column(element, expected.data.flatten()))
    else:
        assert found.data.equals(expected.data)
