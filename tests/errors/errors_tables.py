"""4.6 orders and query aggregation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from errors_stage import DIM, Stage, each
from pymilvus.client.prepare import Prepare
from pymilvus.client.search_aggregation import SearchAggregation


def _figures(*outputs: str, **options: Any) -> Callable[[Stage], object]:
    return lambda stage: stage.query("", output_fields=list(outputs), **options)


def _ordered(order: str, **options: Any) -> Callable[[Stage], object]:
    return lambda stage: stage.query("", order_by=order, **{"limit": 3} | options)


def _found(order: str, **options: Any) -> Callable[[Stage], object]:
    return lambda stage: stage.search(order_by_fields=order, **options)


def _iterated(stage: Stage) -> None:
    options = {"data": [[0.0] * DIM], "order_by_fields": "n", "iterator": True}
    stage.send("Search", Prepare.search_requests_with_expr(stage.plain, "v", {}, 3, **options))


def _with_groups(stage: Stage) -> None:
    stage.search(order_by_fields="n", group_by_fields=["n", "s"])


each(
    167,
    1100,
    ("aggregation operator sum does not support data type VarChar", _figures("sum(s)")),
    ("aggregation operator avg does not support data type Bool", _figures("avg(flag)")),
    ("aggregation operator min does not support data type JSON", _figures("min(j)")),
    ("aggregation operator count does not support data type FloatVector", _figures("count(distinct v)")),
    ("distinct values can only be counted", _figures("sum(distinct n)")),
    ("target field gone for aggregation:max(gone) does not exist", _figures("max(gone)")),
    ("target field * for aggregation:sum(*) does not exist", _figures("sum(*)")),
    ("output field 'n' is not allowed", _figures("n", "count(*)")),
    ("output field '*' is not allowed", _figures("*", group_by_fields=["n"])),
    ("output field 'count(*)' is not allowed", lambda stage: stage.search(output_fields=["count(*)"])),
    ("count entities with pagination is not allowed", _figures("count(*)", "sum(n)", limit=2)),
    ("group by field f has unsupported data type Double", _figures("count(*)", group_by_fields=["f"])),
    ("group by field j has unsupported data type JSON", _figures("count(*)", group_by_fields=["j"])),
    ("duplicate group by field: n", _figures("count(*)", group_by_fields=["n", "n"])),
    ("field s must be numeric, got VarChar", _figures("count(*)", group_by_fields=["histogram(s, 3)"])),
    ("the width must be a number greater than 0, got '0'", _figures("count(*)", group_by_fields=["histogram(n, 0)"])),
    ("the width must be a number greater than 0, got 'x'", _figures("count(*)", group_by_fields=["histogram(n, x)"])),
    ("cannot parse having", _figures("count(*)", group_by_fields=["n", "having count(*) >"])),
    ("field f not exist", _figures("count(*)", group_by_fields=["n", "having f > 3"])),
    (
        "having can only reference group by fields and aggregates, got histogram(n, 3)",
        _figures("count(*)", group_by_fields=["n", "having histogram(n, 3) > 3"]),
    ),
)
each(
    167,
    1700,
    (
        "groupBy field not found in schema: field not found[field=gone]",
        _figures("count(*)", group_by_fields=["gone"]),
    ),
)
each(
    168,
    1100,
    ("order_by field 'gone' does not exist in collection schema", _found("gone")),
    ("order_by field 'gone' does not exist in collection schema", _ordered("gone:desc")),
    ("order_by field 'v' has unsortable type FloatVector", _found("n,v:desc")),
    ("order_by field 'j' has unsortable type JSON", _ordered("j")),
    ("order_by field 'a[0]' has type Array which is not sortable", _ordered("a[0]")),
    ("invalid order direction 'up' for field 'n', expected 'asc' or 'desc'", _found("n:up")),
    ("invalid order direction 'up' for field 'n', expected 'asc' or 'desc'", _ordered("s,n:up")),
    ("invalid null order 'first' for field 'n', expected 'nulls_first' or 'nulls_last'", _found("n:asc:first")),
    ("invalid order_by item ''", _ordered("n,,s")),
    ("invalid order_by item 'n:asc:nulls_last:x'", _ordered("n:asc:nulls_last:x")),
    ("ORDER BY requires explicit limit", lambda stage: stage.query("id > 0", order_by="n")),
    ("ORDER BY with iterator is not supported", _ordered("n", iterator="True")),
    ("ORDER BY with iterator is not supported", _iterated),
    ("ORDER BY can only reference GROUP BY columns", _ordered("f", output_fields=["n"], group_by_fields=["n"])),
    ("order_by_fields is not supported with multiple group by fields", _with_groups),
    (
        "order_by_fields is not supported with search_aggregation",
        _found("n", search_aggregation=SearchAggregation(["n"], 2)),
    ),
)
