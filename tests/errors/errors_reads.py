"""4.6 search and query."""

from __future__ import annotations

from typing import Any

from errors_stage import DIM, Stage, each, refused
from pymilvus.client.types import PlaceholderType
from pymilvus.grpc_gen import common_pb2, milvus_pb2


def _raw_search(stage: Stage, field: str = "v", collection: str = "", **params: Any) -> None:
    """Send a search whose parameters pymilvus would not let pass."""
    given = {"anns_field": field, "topk": 3, "params": "{}", "metric_type": "L2"} | params
    vectors = common_pb2.PlaceholderValue(tag="$0", type=int(PlaceholderType.FloatVector), values=[bytes(4 * DIM)])
    request = milvus_pb2.SearchRequest(
        collection_name=collection or stage.plain,
        nq=1,
        placeholder_group=common_pb2.PlaceholderGroup(placeholders=[vectors]).SerializeToString(),
        search_params=[common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in given.items()],
    )
    stage.send("Search", request)


def _raw_query(stage: Stage, where: str, *outputs: str, **params: Any) -> None:
    request = milvus_pb2.QueryRequest(
        collection_name=stage.plain,
        expr=where,
        output_fields=outputs,
        query_params=[common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in params.items()],
    )
    stage.send("Query", request)


each(
    141,
    1100,
    (
        "topk [0] is invalid, it should be in range [1, 16384], but got 0",
        lambda stage: _raw_search(stage, topk=0),
    ),
    (
        "topk [16385] is invalid, it should be in range [1, 16384], but got 16385",
        lambda stage: stage.search(limit=16_385),
    ),
)
each(
    142,
    1100,
    (
        "offset [-1] is invalid, it should be in range [1, 16384], but got -1",
        lambda stage: _raw_search(stage, offset=-1),
    ),
    ("offset+topk [16394] is invalid", lambda stage: _raw_search(stage, topk=10, offset=16_384)),
    (
        "invalid max query result window, (offset+limit) should be in range [1, 16384], but got 16394",
        lambda stage: _raw_query(stage, "id > 0", limit=10, offset=16_384),
    ),
    ("offset [-1] is invalid, should be gte than 0", lambda stage: _raw_query(stage, "id > 0", limit=1, offset=-1)),
    ("limit [0] is invalid, should be greater than 0", lambda stage: _raw_query(stage, "id > 0", limit=0)),
)
each(
    143,
    1100,
    (
        "nq [16385] is invalid, nq (number of search vector per search request) should be in range [1, 16384],"
        " but got 16385",
        lambda stage: stage.search(data=[[0.0] * DIM] * 16_385, limit=1),
    ),
)
each(
    144,
    1100,
    (
        "round_decimal [7] is invalid, should be -1 or an integer in range [0, 6]",
        lambda stage: _raw_search(stage, round_decimal=7),
    ),
)
each(
    145,
    1100,
    (
        "multiple anns_fields exist, please specify a anns_field in search_params",
        lambda stage: _raw_search(stage, field=""),
    ),
)
each(
    146,
    1100,
    (
        "failed to create query plan: failed to get field schema by name: fieldName(gone) not found",
        lambda stage: stage.search(anns_field="gone"),
    ),
)
each(
    147,
    1100,
    (
        "metric type not match: invalid parameter[expected=L2][actual=IP]",
        lambda stage: stage.search(search_params={"metric_type": "IP"}),
    ),
)
each(148, 2000, ("vector dimension mismatch", lambda stage: stage.search(data=[[0.0] * 8])))
each(
    149,
    1100,
    (
        "vector type must be the same: field type FloatVector, search type SparseFloatVector",
        lambda stage: stage.search(data=[{1: 1.0}]),
    ),
)
each(
    150,
    1100,
    (
        "range_filter requires radius to be set",
        lambda stage: stage.search(search_params={"params": {"range_filter": 1.0}}),
    ),
)
each(
    150,
    2000,
    (
        "must be less than radius",
        lambda stage: stage.search(search_params={"params": {"radius": 1.0, "range_filter": 2.0}}),
    ),
    (
        "must be greater than radius",
        lambda stage: stage.search(anns_field="w", search_params={"params": {"radius": 2.0, "range_filter": 1.0}}),
    ),
)
each(
    151,
    2000,
    (
        "ef(3) should be larger than k(10)",
        lambda stage: stage.search(limit=10, search_params={"params": {"ef": 3}}),
    ),
)
each(
    152,
    1100,
    ("field gone not exist", lambda stage: stage.search(output_fields=["gone"])),
    ("field gone not exist", lambda stage: stage.query("id >= 0", output_fields=["gone"])),
    (
        "parse output field name failed: x[0",
        lambda stage: stage.client.query(stage.dynamic, "id >= 0", output_fields=["x[0"]),
    ),
)
each(
    153,
    1100,
    ("partition name gone not found", lambda stage: stage.search(partition_names=["gone"])),
    ("partition name gone not found", lambda stage: stage.query("id >= 0", partition_names=["gone"])),
)


def _filter(number: int, *cases: tuple[str, str]) -> None:
    """Register filters that a query refuses, each with the detail that the error names."""
    each(
        number,
        1100,
        *((phrase, lambda stage, text=text: stage.query(text)) for text, phrase in cases),
    )


_filter(
    154,
    ("id === 1", "failed to create query plan: cannot parse expression: id === 1"),
    ("s > 1", "comparisons between VarChar and Int64 are not supported"),
    ("id in [1", "cannot parse expression"),
    ("id + 1", "predicate is not a boolean expression: id + 1"),
    ("id ==", "line 1:5 mismatched input '<EOF>'"),
    ("id > 1 and\n id = 2", "line 2:4 mismatched input '='"),
    ("(" * 300 + "id > 1" + ")" * 300, "the expression nests deeper than 256 levels"),
    ("id == 9223372036854775808", "int64 overflow"),
    ("1 < id < 0", "invalid range: lowerbound is greater than upperbound"),
)
each(
    154,
    1100,
    (
        "failed to create query plan: cannot parse expression: id === 1",
        lambda stage: stage.search(filter="id === 1"),
    ),
)
_filter(155, ("gone > 1", "field gone not exist"))
_filter(
    156,
    ("id in 1", "the right-hand side of 'in' must be a list"),
    ("id in [1.5]", "cannot be casted to Int64"),
    ("id in [n]", "value 'n' in list cannot be a non-const expression"),
)
_filter(
    157,
    ("id and n", "'and' can only be used between boolean expressions"),
    ("not id", "op can only be applied on boolean expression"),
    ("a > t", "can not comparisons array fields directly"),
    ("j == n", "two column comparison with JSON type is not supported"),
)
_filter(
    158,
    ('n like "a%"', "like operation on non-string or no-json field is unsupported"),
    ('n =~ "a"', "regex match on non-string or non-json field is unsupported"),
    ('s =~ "(a"', "invalid regex pattern"),
)
_filter(
    159,
    ('text_match(s, "a")', 'field "s" does not enable match'),
    ('phrase_match(n, "a")', "phrase match operation on non-string is unsupported"),
)
_filter(
    160,
    ("v is null", "IsNull/IsNotNull operations are not supported on vector fields"),
    ("a[0] is null", "on array element access"),
)
_filter(
    161,
    ("array_contains_all(a, 1)", "ContainsAll operation element must be an array"),
    ("array_contains_any(a, 1)", "ContainsAny operation element must be an array"),
)
_filter(
    163,
    ("random_sample(1.0)", "the sample factor should be between 0 and 1 and not too close to 0 or 1"),
    ("random_sample(0.5) and id > 1", "random sample expression can only be the last expression"),
)
each(
    162,
    1100,
    (
        "the value of expression template variable name {x} is not found",
        lambda stage: stage.query("n > {x}", filter_params={"y": 1}),
    ),
    (
        "the value of term expression template variable {x} is not array",
        lambda stage: stage.query("n in {x}", filter_params={"x": 1}),
    ),
)
_filter(
    164,
    ("n == 1 / 0", "cannot divide by zero"),
    ("n == 1 % 0", "cannot modulo by zero"),
    ("n / 0 == 1", "division or modulus by zero"),
)
each(165, 1100, ("empty expression should be used with limit", lambda stage: _raw_query(stage, "")))
each(
    166,
    1100,
    (
        "count entities with pagination is not allowed",
        lambda stage: stage.query("id >= 0", output_fields=["count(*)"], limit=3),
    ),
)
each(
    170,
    1100,
    (
        "some of the provided primary key IDs do not exist: missing IDs = [99]",
        lambda stage: stage.search(data=None, ids=[1, 99]),
    ),
    ("duplicate IDs found in search request", lambda stage: stage.search(data=None, ids=[1, 1])),
    ("primary key is int64, but IDs type mismatch", lambda stage: stage.search(data=None, ids=["a"])),
)


@refused(166, 1100, "count entities with pagination is not allowed")
def count_with_an_offset(stage: Stage) -> None:
    _raw_query(stage, "id >= 0", "count(*)", offset=1, limit=1)
