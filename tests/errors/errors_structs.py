"""4.2 and 4.4 arrays of structs: their schema and their data."""

from __future__ import annotations

from typing import Any

from errors_stage import DIM, Stage, each, field_schema, pk, vec
from pymilvus import DataType
from pymilvus.grpc_gen import schema_pb2

from raw_columns import floats, longs

T = DataType
ONE = [0.5] * DIM


# --- 68: schema ---


def _numbers(name: str = "n", capacity: int | None = 4, **options: Any) -> Any:
    params = {} if capacity is None else {"max_capacity": capacity}
    return field_schema(name, T.ARRAY, element_type=T.INT64, params=params, **options)


def _vectors(name: str = "e", element: DataType = T.FLOAT_VECTOR, **params: int) -> Any:
    return field_schema(name, T._ARRAY_OF_VECTOR, element_type=element, params={"max_capacity": 4, "dim": 2, **params})


def _struct(*fields: Any, name: str = "s", **options: Any) -> Any:
    return schema_pb2.StructArrayFieldSchema(name=name, fields=fields, **options)


def _defined(*structs: Any) -> Any:
    return lambda stage: stage.define(pk(), vec(), structs=structs)


each(
    68,
    1100,
    ("struct array field s has no sub-fields", _defined(_struct())),
    (
        "all sub-fields in struct array field must have the same max_capacity: structName=s, subFieldName=m, "
        "max_capacity=5, expected=4",
        _defined(_struct(_numbers(), _numbers("m", 5))),
    ),
    ("only fixed dimension vector types are supported", _defined(_struct(_vectors(element=T.SPARSE_FLOAT_VECTOR)))),
    ("only fixed dimension vector types are supported", _defined(_struct(_vectors(element=T.INT64)))),
    (
        "array of vector can only be in the struct array field",
        lambda stage: stage.define(pk(), vec(), _vectors()),
    ),
    ("fields in StructArrayField can only be array or array of", _defined(_struct(field_schema("n", T.INT64)))),
    ("element type JSON is not supported", _defined(_struct(field_schema("n", T.ARRAY, element_type=T.JSON)))),
    ("nested array is not supported", _defined(_struct(field_schema("n", T.ARRAY, element_type=T.ARRAY)))),
    ("element type FloatVector is not supported", _defined(_struct(field_schema("n", T.ARRAY, element_type=101)))),
    ("primary key is not supported for struct field, field name = n", _defined(_struct(_numbers(is_primary_key=True)))),
    ("AutoID is not supported for struct field", _defined(_struct(_numbers(autoID=True)))),
    ("partition key is not supported for struct field", _defined(_struct(_numbers(is_partition_key=True)))),
    ("clustering key is not supported for struct field", _defined(_struct(_numbers(is_clustering_key=True)))),
    (
        "type not support default_value",
        _defined(_struct(_numbers(default_value=schema_pb2.ValueField(long_data=1)))),
    ),
    (
        "cannot be nullable individually, set nullable on the struct instead: structName=s, subFieldName=n",
        _defined(_struct(_numbers(nullable=True))),
    ),
    ("duplicated field name s[n] found", _defined(_struct(_numbers(), _numbers()))),
    ("duplicated field name s found", _defined(_struct(_numbers()), _struct(_numbers("m")))),
    ("invalid dimension: 1. should be in range", _defined(_struct(_vectors(dim=1)))),
    (
        "maximum field's number should be limited to 64",
        _defined(_struct(*(_numbers(f"n{number}") for number in range(63)))),
    ),
    (
        "maximum vector field's number should be limited to 10",
        _defined(_struct(*(_vectors(f"e{number}") for number in range(10)))),
    ),
)


# --- 112: data ---


def _collection(stage: Stage) -> str:
    def make(name: str) -> None:
        stage.define(pk(), vec(), name=name, structs=[_struct(_numbers(), _vectors())])

    return stage._once("structs", make)


def _list(*values: int) -> Any:
    return schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=values))


def _arrays(name: str, *rows: Any) -> Any:
    data = schema_pb2.FieldData(field_name=name, type=int(T.ARRAY))
    data.scalars.array_data.data.extend(rows)
    return data


def _vector_arrays(name: str, *rows: list[float], dim: int = 2) -> Any:
    data = schema_pb2.FieldData(field_name=name, type=int(T._ARRAY_OF_VECTOR))
    data.vectors.dim = data.vectors.vector_array.dim = dim
    for row in rows:
        data.vectors.vector_array.data.add(dim=dim).float_vector.data.extend(row)
    return data


def _structs(*parts: Any) -> Any:
    data = schema_pb2.FieldData(field_name="s", type=int(T._ARRAY_OF_STRUCT))
    data.struct_arrays.fields.extend(parts)
    return data


def _insert(*columns: Any) -> Any:
    def call(stage: Stage) -> None:
        stage.insert(_collection(stage), longs("id", [1]), floats("v", ONE, DIM), *columns)

    return call


TWO = [0.0, 1.0]

each(
    112,
    1100,
    ("length of fields of struct field mismatch", _insert(_structs(_arrays("n", _list(1))))),
    (
        "length of fields of struct field mismatch",
        _insert(_structs(_arrays("n", _list(1)), _vector_arrays("e", TWO), _arrays("m", _list(1)))),
    ),
    (
        "sub-field 'e' of struct 's' is missing, the data has: m, n",
        _insert(_structs(_arrays("n", _list(1)), _arrays("m", _list(1)))),
    ),
    (
        "inconsistent array length in struct field 's': expected 1, got 2 for sub-field 'e'",
        _insert(_structs(_arrays("n", _list(1)), _vector_arrays("e", TWO, TWO))),
    ),
    (
        "inconsistent struct element count in struct 's' at row 0: 'n' has 2, 'e' has 1",
        _insert(_structs(_arrays("n", _list(1, 2)), _vector_arrays("e", TWO))),
    ),
    ("required struct array field 's' is missing in insert data", _insert()),
    (
        "exceeds max capacity (4)",
        _insert(_structs(_arrays("n", _list(*range(5))), _vector_arrays("e", TWO * 5))),
    ),
    (
        "insert data does not match, array field: s[n]",
        _insert(
            _structs(
                _arrays("n", schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=["x"]))),
                _vector_arrays("e", TWO),
            )
        ),
    ),
    (
        "the dim (3) of field data(s[e]) is not equal to schema dim (2)",
        _insert(_structs(_arrays("n", _list(1)), _vector_arrays("e", [0.0] * 3, dim=3))),
    ),
    (
        "the length(3) of float data should divide the dim(2)",
        _insert(_structs(_arrays("n", _list(1)), _vector_arrays("e", [0.0] * 3))),
    ),
    (
        "value 'NaN' is not a number or infinity",
        _insert(_structs(_arrays("n", _list(1)), _vector_arrays("e", [float("nan"), 0.0]))),
    ),
    ("fieldName s[n] not exist in collection schema", _insert(_arrays("s[n]", _list(1)))),
    ("field convert FieldData_StructArrays fail in fieldData, fieldName: s", _insert(longs("s", [1]))),
    (
        "duplicated field s found",
        _insert(*[_structs(_arrays("n", _list(1)), _vector_arrays("e", TWO))] * 2),
    ),
)
