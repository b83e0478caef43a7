"""What a stock client makes of results, and what writes and schemas make of what it sends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pymilvus.client.search_result import SearchResult as ClientResult
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from elanus.engine.base import CollectionName
from elanus.engine.data import Insert, Upsert, Written
from elanus.engine.schemas import GetSchema
from elanus.engine.search import OutputColumn, QueryResult, SearchResult
from elanus.model.columns import Column, vector_array
from elanus.model.errors import InvalidParameter, SchemaMismatch
from elanus.model.ids import FieldId
from elanus.model.schema import DYNAMIC_FIELD, Field, Schema
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.server.dispatch import Dispatcher
from elanus.server.grpc import messages as pb
from elanus.server.grpc import query, search
from elanus.server.grpc.schemas import parse_schema, schema_to

AT = Timestamp(9 << 18)
KEY = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
NAME = Field(id=FieldId(100), name="id", type=DataType.VARCHAR, is_primary=True, max_length=9)
VECTOR = Field(id=FieldId(101), name="v", type=DataType.FLOAT_VECTOR, dim=2, nullable=True)
RANK = Field(id=FieldId(102), name="rank", type=DataType.INT8, nullable=True)
META = Field(id=FieldId(103), name=DYNAMIC_FIELD, type=DataType.JSON, is_dynamic=True)


def hits(scores: list[float], counts: list[int], **changes: Any) -> SearchResult:
    keys = pa.array(range(len(scores)), type=pa.int64())
    given = {
        "counts": np.array(counts, dtype=np.int64),
        "keys": keys,
        "scores": np.array(scores, dtype=np.float32),
        "primary": KEY,
        "columns": (),
        "fields": (),
        "at": AT,
    }
    return SearchResult(**{**given, **changes})


def read_back(result: SearchResult) -> tuple[milvus_pb2.SearchResults, Any]:
    reply = milvus_pb2.SearchResults.FromString(search.encode_result(result, 10, "c"))
    return reply, ClientResult(reply.results)


# --- searches ---


def test_hits_of_several_queries_are_told_apart() -> None:
    reply, queries = read_back(hits([0.5, 1.5, 0.25], [2, 0, 1][:3]))
    assert reply.session_ts == AT
    assert (reply.collection_name, reply.results.num_queries, reply.results.top_k) == ("c", 3, 10)
    assert [[hit["id"] for hit in query] for query in queries] == [[0, 1], [], [2]]
    assert [[hit["distance"] for hit in query] for query in queries] == [[0.5, 1.5], [], [0.25]]


def test_text_keys_come_back_as_text() -> None:
    result = hits([0.5, 1.5], [2], keys=pa.array(["a", "ü"], type=pa.large_string()), primary=NAME)
    _, queries = read_back(result)
    assert [hit["id"] for hit in queries[0]] == ["a", "ü"]


def test_nothing_found_is_an_empty_list_for_each_query() -> None:
    reply, queries = read_back(hits([], [0, 0]))
    assert list(reply.results.topks) == [0, 0]
    assert [list(query) for query in queries] == [[], []]


def columns() -> tuple[OutputColumn, ...]:
    valid = np.array([True, False])
    vectors = vector_array(VECTOR, np.array([[1, 2], [0, 0]], dtype=np.float32), valid)
    objects = pa.array([b'{"a": 1.50, "b": [1]}', b"{}"], type=pa.large_binary())
    return (
        OutputColumn(Column(VECTOR, vectors)),
        OutputColumn(Column(RANK, pa.array([None, 7], type=pa.int8()))),
        OutputColumn(Column(META, objects), ("a",)),
    )


def test_a_client_reads_columns_with_nulls_and_dynamic_keys() -> None:
    _, queries = read_back(hits([0.5, 1.5], [2], columns=columns(), fields=("v", "rank", "a")))
    first, second = (dict(hit["entity"]) for hit in queries[0])
    assert first == {"v": [1.0, 2.0], "rank": None, "a": 1.5}
    assert (second["v"], second["rank"]) == (None, 7)


# --- queries ---


def test_query_columns_name_themselves_and_the_key() -> None:
    result = QueryResult(columns(), ("v", "rank", "a"), KEY, 2, AT)
    reply = milvus_pb2.QueryResults.FromString(query.encode_result(result, "c"))
    assert [column.field_name for column in reply.fields_data] == ["v", "rank", DYNAMIC_FIELD]
    assert reply.fields_data[2].scalars.json_data.data[0].replace(b" ", b"") == b'{"a":1.50}'
    assert list(reply.fields_data[0].vectors.float_vector.data) == [1.0, 2.0]
    assert (reply.primary_field_name, reply.session_ts, list(reply.output_fields)) == ("id", AT, ["v", "rank", "a"])


def test_a_count_is_one_column() -> None:
    counted = QueryResult((), ("Count( * )",), KEY, 0, AT, count=0)
    reply = milvus_pb2.QueryResults.FromString(query.encode_result(counted, "c"))
    assert reply.fields_data[0].field_name == "Count( * )"
    assert list(reply.fields_data[0].scalars.long_data.data) == [0]


# --- writes ---


class Writes:
    """An engine that takes any write to a schema and keeps it."""

    def __init__(self, schema: Schema, keys: pa.Array) -> None:
        self.schema, self.keys = schema, keys
        self.writes: list[Insert] = []

    def execute(self, command: Any) -> Any:
        if isinstance(command, GetSchema):
            if command.stamp == 1:
                raise SchemaMismatch(collection=command.collection.name)
            return self.schema
        self.writes.append(command)
        return Written(self.keys, len(self.keys), AT)


def write(schema: Schema, *fields: schema_pb2.FieldData, method: str = "Insert", **rest: Any) -> tuple[Any, Writes]:
    engine = Writes(schema, pa.array([5, 6], type=pa.int64()))
    request = getattr(milvus_pb2, f"{method}Request")(collection_name="c", num_rows=2, fields_data=fields, **rest)
    path = f"/milvus.proto.milvus.MilvusService/{method}"
    return milvus_pb2.MutationResult.FromString(Dispatcher(engine)(path, {}, request.SerializeToString())), engine


def longs(name: str, **rest: Any) -> schema_pb2.FieldData:
    data = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=[1, 2]))
    return schema_pb2.FieldData(type=5, field_name=name, scalars=data, **rest)


def test_an_insert_becomes_columns_of_the_schemas_fields() -> None:
    schema = Schema((KEY,))
    reply, engine = write(schema, longs("id"), partition_name="p", schema_timestamp=77)
    (command,) = engine.writes
    assert (command.collection, command.partition) == (CollectionName("default", "c"), "p")
    assert (command.num_rows, command.schema_timestamp) == (2, 77)
    assert command.columns[0].field is schema.primary
    assert list(reply.IDs.int_id.data) == [5, 6]
    assert list(reply.succ_index) == [0, 1]
    assert (reply.insert_cnt, reply.timestamp, reply.status.code) == (2, AT, 0)


def test_an_upsert_counts_both_sides() -> None:
    reply, engine = write(Schema((KEY,)), longs("id"), method="Upsert")
    assert isinstance(engine.writes[0], Upsert)
    assert (reply.insert_cnt, reply.delete_cnt, reply.upsert_cnt) == (2, 2, 2)


@pytest.mark.parametrize(
    ("fields", "phrase"),
    [
        ([longs("id"), longs("id")], "duplicated field id found"),
        ([longs("other")], "fieldName other not exist in collection schema"),
        (
            [longs("", is_dynamic=True)],
            "without dynamic schema enabled, the field name cannot be set to $meta",
        ),
        ([longs("$meta")], "without dynamic schema enabled, the field name cannot be set to $meta"),
    ],
)
def test_columns_that_do_not_fit_the_schema_are_refused(fields: list[Any], phrase: str) -> None:
    reply, engine = write(Schema((KEY,)), *fields)
    assert reply.status.code == 1100
    assert phrase in reply.status.reason
    assert list(reply.err_index) == [0, 1]
    assert engine.writes == []


def test_a_stale_schema_is_told_before_its_columns_are_looked_at() -> None:
    reply, _ = write(Schema((KEY,)), longs("gone"), schema_timestamp=1)
    assert (reply.status.code, reply.status.error_code) == (109, 62)


def test_the_dynamic_column_is_known_by_its_mark() -> None:
    data = schema_pb2.ScalarField(json_data=schema_pb2.JSONArray(data=[b"{}", b'{"a":1}']))
    column = schema_pb2.FieldData(type=23, scalars=data, is_dynamic=True)
    _, engine = write(Schema((KEY, META)), column)
    assert engine.writes[0].columns[0].field is META


def test_a_claimed_number_of_rows_does_not_size_the_answer() -> None:
    engine = Writes(Schema((KEY,)), pa.array([], type=pa.int64()))
    request = milvus_pb2.InsertRequest(collection_name="c", num_rows=2**32 - 1, fields_data=[longs("gone")])
    path = "/milvus.proto.milvus.MilvusService/Insert"
    assert len(Dispatcher(engine)(path, {}, request.SerializeToString())) < 2**20


# --- schemas ---


def described(**field: Any) -> bytes:
    return pb.CollectionSchema(name="c", fields=[pb.FieldSchema(name="f", **field)]).SerializeToString()


def test_schemas_survive_the_wire() -> None:
    schema = Schema((KEY, VECTOR, RANK, META), description="d")
    _, back = parse_schema(schema_to("c", schema).SerializeToString())
    assert back.description == "d"
    assert [(f.name, f.type, f.nullable, f.is_primary, f.is_dynamic) for f in back] == [
        (f.name, f.type, f.nullable, f.is_primary, f.is_dynamic) for f in schema
    ]


@pytest.mark.parametrize(
    ("kind", "arm", "value"),
    [
        (DataType.BOOL, "bool_data", True),
        (DataType.INT16, "int_data", -3),
        (DataType.INT64, "long_data", 2**40),
        (DataType.FLOAT, "float_data", 0.5),
        (DataType.DOUBLE, "double_data", 0.1),
        (DataType.VARCHAR, "string_data", "x"),
    ],
)
def test_defaults_survive_the_wire(kind: DataType, arm: str, value: object) -> None:
    body = described(data_type=int(kind), default_value=pb.ValueField(**{arm: value}))
    _, schema = parse_schema(body)
    assert schema["f"].default == value
    assert schema_to("c", schema).fields[0].default_value.WhichOneof("data") == arm


@pytest.mark.parametrize(
    ("body", "phrase"),
    [
        (b"\xff", "the schema can't be read"),
        (described(data_type=5, is_dynamic=True), "is_dynamic can't be set"),
        (
            described(data_type=4, default_value=pb.ValueField(long_data=1)),
            "type (Int32) of field (f) is not equal to the type(DataType_Int64) of default_value",
        ),
        (
            described(data_type=21, default_value=pb.ValueField(int_data=1)),
            "type (VarChar) of field (f) is not equal to the type(DataType_Int) of default_value",
        ),
        (
            pb.CollectionSchema(functions=[pb.FunctionSchema(name="bm25")]).SerializeToString(),
            "a schema with functions is not available yet",
        ),
    ],
)
def test_schemas_that_cannot_be_are_refused(body: bytes, phrase: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_schema(body)
    assert phrase in str(caught.value)
