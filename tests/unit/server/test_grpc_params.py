"""Parameters of reads: limits, phrases, consistency, templates, query vectors."""

from __future__ import annotations

import numpy as np
import pytest
from pymilvus.client.prepare import Prepare

from elanus.engine.search import Consistency
from elanus.model.errors import InvalidParameter, SearchFailed
from elanus.model.types import DataType, Level
from elanus.server.grpc import messages as pb
from elanus.server.grpc.consistency import parse_consistency
from elanus.server.grpc.params import check_nq, parse_query, parse_search
from elanus.server.grpc.queries import parse_queries
from elanus.server.grpc.templates import template_values


@pytest.mark.parametrize(
    ("pairs", "phrase"),
    [
        ({"topk": "0"}, "topk [0] is invalid, it should be in range [1, 16384], but got 0"),
        ({"topk": "16385"}, "topk [16385] is invalid, it should be in range [1, 16384], but got 16385"),
        ({"topk": "ten"}, "topk [ten] is invalid"),
        ({}, "topk not found"),
        ({"topk": "1", "offset": "-1"}, "offset [-1] is invalid, it should be in range [1, 16384], but got -1"),
        ({"topk": "10", "offset": "16380"}, "offset+topk [16390] is invalid"),
        (
            {"topk": "1", "round_decimal": "7"},
            "round_decimal [7] is invalid, should be -1 or an integer in range [0, 6]",
        ),
        ({"topk": "1", "round_decimal": "x"}, "round_decimal [x] is invalid, should be -1 or an integer"),
        ({"topk": "1", "ignore_growing": "maybe"}, "parse ignore growing field failed"),
        ({"topk": "1", "params": "{"}, "is no JSON"),
        ({"topk": "1", "params": "[1]"}, "should be a JSON object"),
        ({"topk": "1", "group_by_field": "f", "group_size": "x"}, "group_size [x] is invalid"),
        ({"topk": "1", "group_by_fields": "f, f"}, "duplicate group by fields: f, f"),
        ({"topk": "1", "group_by_field": "f", "json_type": "Float"}, "json_type Float is not supported, expected one"),
    ],
)
def test_bad_search_parameters_are_refused(pairs: dict[str, str], phrase: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_search(pairs)
    assert phrase in str(caught.value)


@pytest.mark.parametrize(
    ("pairs", "phrase"),
    [
        ({"limit": "0"}, "limit [0] is invalid, should be greater than 0"),
        ({"limit": "1", "offset": "-1"}, "offset [-1] is invalid, should be gte than 0"),
        ({"limit": "16385"}, "(offset+limit) should be in range [1, 16384], but got 16385"),
        ({"limit": "16000", "offset": "400"}, "but got 16400"),
        ({"limit": "1", "order_by_fields": "a:up"}, "invalid order direction 'up' for field 'a'"),
    ],
)
def test_bad_query_parameters_are_refused(pairs: dict[str, str], phrase: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_query(pairs)
    assert phrase in str(caught.value)


def test_index_parameters_come_from_the_object_and_from_beside_it() -> None:
    params = parse_search(
        {
            "topk": "5",
            "anns_field": "v",
            "metric_type": "L2",
            "nprobe": "9",
            "params": '{"ef": 64, "metric_type": "L2", "radius": 0.5}',
        }
    )
    assert params.index == {"nprobe": "9", "ef": 64, "radius": 0.5}
    assert (params.anns_field, params.topk, params.offset, params.metric) == ("v", 5, 0, "L2")
    assert (params.round_decimal, params.ignore_growing) == (-1, False)


def test_what_a_stock_client_sends_is_understood() -> None:
    request = Prepare.search_requests_with_expr(
        "c", "v", {"metric_type": "IP", "params": {"ef": 32}}, 7, data=[[0.1, 0.2]], round_decimal=3, offset=2
    )
    params = parse_search({pair.key: pair.value for pair in request.search_params})
    assert (params.topk, params.offset, params.round_decimal, params.metric) == (7, 2, 3, "IP")
    assert params.index["ef"] == 32
    queries = parse_queries(request.placeholder_group)
    assert queries.type is DataType.FLOAT_VECTOR
    assert np.allclose(queries.matrix, [[0.1, 0.2]])


@pytest.mark.parametrize("nq", [0, 16385])
def test_the_number_of_queries_is_limited(nq: int) -> None:
    with pytest.raises(InvalidParameter, match="number of search vector per search request"):
        check_nq(nq)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"use_default_consistency": True, "guarantee_timestamp": 9}, Consistency(None, 9)),
        ({"consistency_level": 0}, Consistency(Level.STRONG, 0)),
        ({"consistency_level": 2, "guarantee_timestamp": 2}, Consistency(Level.BOUNDED, 0)),
        ({"consistency_level": 3, "guarantee_timestamp": 1}, Consistency(Level.EVENTUALLY, 0)),
        ({"consistency_level": 1, "guarantee_timestamp": 77}, Consistency(Level.SESSION, 77)),
        ({"consistency_level": 4, "guarantee_timestamp": 77}, Consistency(Level.CUSTOMIZED, 77)),
        ({"guarantee_timestamp": 1}, Consistency(Level.EVENTUALLY, 0)),
        ({"guarantee_timestamp": 2}, Consistency(Level.BOUNDED, 0)),
        ({"guarantee_timestamp": 77}, Consistency(Level.CUSTOMIZED, 77)),
    ],
)
def test_consistency_follows_level_and_guarantee(fields: dict[str, int], expected: Consistency) -> None:
    assert parse_consistency(pb.QueryRequest(**fields)) == expected


def test_an_unknown_consistency_level_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="consistency level 9"):
        parse_consistency(pb.QueryRequest(consistency_level=9))


def test_template_values_become_plain_values() -> None:
    lists = {"l": [1, 2], "t": ["a"], "m": [1, 0.5, True], "n": [[1], [2]], "e": []}
    given = {"b": True, "i": 3, "f": 0.5, "s": "x", **lists}
    request = pb.QueryRequest.FromString(Prepare.query_request("c", "", [], [], expr_params=given).SerializeToString())
    assert template_values(request.expr_template_values) == given


def group(kind: DataType, values: list[bytes], count: int = 1) -> bytes:
    value = pb.PlaceholderValue(tag="$0", type=int(kind), values=values)
    return pb.PlaceholderGroup(placeholders=[value] * count).SerializeToString()


@pytest.mark.parametrize(
    ("kind", "row", "dtype"),
    [
        (DataType.FLOAT_VECTOR, b"\0\0\x80\x3f" * 2, "<f4"),
        (DataType.FLOAT16_VECTOR, b"\0\x3c" * 2, "<f2"),
        (DataType.BFLOAT16_VECTOR, b"\x80\x3f" * 2, "<u2"),
        (DataType.INT8_VECTOR, b"\1\1", "i1"),
        (DataType.BINARY_VECTOR, b"\1\1", "u1"),
    ],
)
def test_dense_queries_become_a_matrix(kind: DataType, row: bytes, dtype: str) -> None:
    queries = parse_queries(group(kind, [row, row, row]))
    assert (queries.type, queries.nq) == (kind, 3)
    assert queries.matrix.shape == (3, 2)
    assert queries.matrix.dtype == np.dtype(dtype)


def test_sparse_queries_stay_rows_of_bytes() -> None:
    row = b"\1\0\0\0\0\0\x80\x3f"
    queries = parse_queries(group(DataType.SPARSE_FLOAT_VECTOR, [row, b""]))
    assert queries.sparse.to_pylist() == [row, b""]


def test_queries_of_different_length_have_no_dimension() -> None:
    with pytest.raises(SearchFailed, match="vector dimension mismatch"):
        parse_queries(group(DataType.FLOAT_VECTOR, [b"\0" * 8, b"\0" * 4]))
    with pytest.raises(SearchFailed, match="vector dimension mismatch"):
        parse_queries(group(DataType.FLOAT_VECTOR, [b"\0" * 7]))


@pytest.mark.parametrize(
    ("body", "phrase"),
    [
        (b"\xff", "can't be read"),
        (b"", "takes one placeholder"),
        (group(DataType.FLOAT_VECTOR, [b"\0" * 4], count=2), "takes one placeholder"),
        (group(DataType.VARCHAR, [b"text"]), "search by text is not available yet"),
        (group(DataType.INT64, [b"12345678"]), "placeholder type 5 can't be searched for"),
    ],
)
def test_other_placeholders_are_refused(body: bytes, phrase: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_queries(body)
    assert phrase in str(caught.value)
