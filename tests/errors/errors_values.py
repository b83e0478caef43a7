"""4.4 and 4.6: instants, geometries, and operators of partial upserts."""

from __future__ import annotations

from typing import Any

from errors_stage import DIM, Stage, each, field_schema, pk, refused, vec
from pymilvus import DataType
from pymilvus.grpc_gen import schema_pb2

VECTOR = [0.0] * DIM
APPEND = schema_pb2.FieldPartialUpdateOp.ARRAY_APPEND


def _shaped(stage: Stage) -> str:
    """Return a loaded collection with an instant and a geometry."""

    def make(name: str) -> None:
        instant = field_schema("at", DataType.TIMESTAMPTZ, nullable=True)
        place = field_schema("place", DataType.GEOMETRY, nullable=True)
        stage.define(pk(), vec(), instant, place, name=name)
        params = stage.client.prepare_index_params()
        params.add_index("v", index_type="FLAT", metric_type="L2")
        stage.client.create_index(name, params, sync=False)
        stage.client.load_collection(name)

    return stage._once("shaped", make)


def _insert(stage: Stage, **values: Any) -> None:
    stage.client.insert(_shaped(stage), [{"id": 1, "v": VECTOR} | values])


def _find(stage: Stage, where: str, **options: Any) -> None:
    stage.client.query(_shaped(stage), where, **options)


each(
    102,
    1100,
    ("invalid Geometry data, transform to wkb failed", lambda stage: _insert(stage, place="POINT (1")),
    ("invalid Geometry data, transform to wkb failed", lambda stage: _insert(stage, place="")),
)
each(
    103,
    1100,
    (
        "got invalid timestamptz string 'yesterday': invalid timestamp string: 'yesterday'. "
        "Does not match any known format",
        lambda stage: _insert(stage, at="yesterday"),
    ),
)
each(
    179,
    1100,
    (
        "distance parameter must be non-negative",
        lambda stage: _find(stage, "st_dwithin(place, 'POINT (1 1)', -1)"),
    ),
    ("should be a string literal or template variable", lambda stage: _find(stage, "st_within(place, 3)")),
    ("st_within", lambda stage: _find(stage, "st_within(place, 'POINT (')")),
)


def _longs(name: str, *arrays: list[int]) -> Any:
    data = [schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=one)) for one in arrays]
    array = schema_pb2.ArrayArray(data=data, element_type=int(DataType.INT64))
    return schema_pb2.FieldData(
        field_name=name, type=int(DataType.ARRAY), scalars=schema_pb2.ScalarField(array_data=array)
    )


def _keys(name: str, *values: int) -> Any:
    longs = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=values))
    return schema_pb2.FieldData(field_name=name, type=int(DataType.INT64), scalars=longs)


def _change(stage: Stage, *columns: Any, ops: list[tuple[str, int]]) -> None:
    entries = [schema_pb2.FieldPartialUpdateOp(field_name=name, op=op) for name, op in ops]
    stage.insert(stage.plain, _keys("id", 0), *columns, upsert=True, partial_update=True, field_ops=entries)


each(
    111,
    1100,
    (
        'op ARRAY_APPEND requires Array field, but field "n" is Int64',
        lambda stage: _change(stage, _keys("n", 1), ops=[("n", APPEND)]),
    ),
    (
        'partial-update op targets field "a" not present in fields_data',
        lambda stage: _change(stage, _keys("n", 1), ops=[("a", APPEND)]),
    ),
    (
        "is the primary key and cannot carry a partial-update op",
        lambda stage: _change(stage, _keys("n", 1), ops=[("id", APPEND)]),
    ),
    (
        'duplicate partial-update op for field "a"',
        lambda stage: _change(stage, _longs("a", [2]), ops=[("a", APPEND), ("a", APPEND)]),
    ),
    ("exceeds max_capacity 3", lambda stage: _change(stage, _longs("a", [1, 2, 3]), ops=[("a", APPEND)])),
)


@refused(111, 1100, 'unknown partial-update op 99 for field "a"')
def unknown_operator(stage: Stage) -> None:
    _change(stage, _longs("a", [2]), ops=[("a", 99)])
