"""4.6 grouping search and search aggregation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from errors_stage import DIM, Stage, each
from pymilvus import DataType
from pymilvus.client.prepare import Prepare
from pymilvus.client.search_aggregation import SearchAggregation
from pymilvus.grpc_gen import common_pb2


def _grouped(**options: Any) -> Callable[[Stage], object]:
    return lambda stage: stage.search(**{"group_by_field": "n"} | options)


def _iterated(stage: Stage) -> None:
    request = _request(stage, group_by_field="n", iterator=True)
    stage.send("Search", request)


def _request(stage: Stage, **options: Any) -> Any:
    return Prepare.search_requests_with_expr(stage.plain, "v", {}, 3, data=[[0.0] * DIM], **options)


def _binary(stage: Stage) -> None:
    def make(name: str) -> None:
        schema = stage.client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("n", DataType.INT64)
        schema.add_field("b", DataType.BINARY_VECTOR, dim=8)
        params = stage.client.prepare_index_params()
        params.add_index("b", index_type="BIN_FLAT", metric_type="HAMMING")
        stage.client.create_collection(name, schema=schema, index_params=params)

    name = stage._once("binary", make)
    stage.search(collection_name=name, data=[bytes(1)], anns_field="b", group_by_field="n")


each(
    169,
    1700,
    (
        "groupBy field not found in schema: field not found[field=gone]",
        _grouped(group_by_field="gone"),
    ),
)
each(
    169,
    1100,
    ("group by field f has unsupported data type Double", _grouped(group_by_field="f")),
    ("group by field a has unsupported data type Array", _grouped(group_by_field="a")),
    ("input group size:11 exceeds configured max group size:10", _grouped(group_size=11)),
    ("input group size:-1 is negative", _grouped(group_size=-1)),
    ("input group size:0 is negative", _grouped(group_size=0)),
    ("Not allowed to do groupBy when doing iteration", _iterated),
    (
        "Not allowed to do range-search when doing search-group-by",
        _grouped(search_params={"params": {"radius": 2.0}}),
    ),
    ("not support search_group_by operation based on binary vector column", _binary),
)


def _spec(levels: int = 1, size: int = 2, **options: Any) -> Any:
    names = ["n", "s", "i8", "flag", "id"]
    inner = None
    for name in reversed(names[:levels]):
        inner = SearchAggregation([name], size, sub_aggregation=inner, **options)
    return inner


def _aggregated(spec: SearchAggregation, **options: Any) -> Callable[[Stage], object]:
    return lambda stage: stage.search(search_aggregation=spec, **options)


def _with_group(stage: Stage) -> None:
    request = _request(stage, search_aggregation=_spec())
    request.search_params.append(common_pb2.KeyValuePair(key="group_by_field", value="n"))
    stage.send("Search", request)


def _with_iterator(stage: Stage) -> None:
    stage.send("Search", _request(stage, search_aggregation=_spec(), iterator=True))


def _without_size(stage: Stage) -> None:
    request = _request(stage, search_aggregation=_spec())
    request.search_aggregation.size = 0
    stage.send("Search", request)


each(
    176,
    1100,
    ("group_by_field and search_aggregation cannot be used simultaneously", _with_group),
    ("search iterator is not supported with search_aggregation", _with_iterator),
    ("search_aggregation nesting exceeds max 4 levels", _aggregated(_spec(levels=5))),
    ("number of search_aggregation result entries is too large", _aggregated(_spec(levels=4, size=11))),
    ("FLOAT / DOUBLE fields are not supported with search_aggregation", _aggregated(SearchAggregation(["f"], 2))),
    ("JSON / dynamic fields are not yet supported", _aggregated(SearchAggregation(["j"], 2))),
    ("search_aggregation size [0] is invalid", _without_size),
    ("offset is not supported with search_aggregation", _aggregated(_spec(), search_params={"offset": 1})),
)
