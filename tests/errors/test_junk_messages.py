"""Function chains and aggregations that make no sense: each ends with an answer or a clear refusal."""

from __future__ import annotations

import random
from typing import Any

from errors_stage import Stage
from junk_requests import searched
from pymilvus.grpc_gen import common_pb2, schema_pb2


def value(choose: random.Random, depth: int = 0) -> Any:
    """Return a parameter of a function chain of any kind."""
    kind = choose.choice(
        ("bool", "int64", "double", "string", "bytes", "array", "object", "nothing") if depth < 3 else ("int64",)
    )
    made = schema_pb2.FunctionParamValue()
    if kind == "bool":
        made.bool_value = choose.random() < 0.5
    elif kind == "int64":
        made.int64_value = choose.choice((0, 1, -1, 3, 2**63 - 1, -(2**63)))
    elif kind == "double":
        made.double_value = choose.choice((0.0, -1.0, 0.5, 1e308, float("nan"), float("inf"), -float("inf")))
    elif kind == "string":
        made.string_value = choose.choice(
            ("", "n", "sum", "weighted", "exp", "gauss", "max", "$score", "$id", "gone", "flag")
        )
    elif kind == "bytes":
        made.bytes_value = b"\xff"
    elif kind == "array":
        made.array_value.values.extend(value(choose, depth + 1) for _ in range(choose.randrange(3)))
    elif kind == "object":
        made.object_value.fields["x"].CopyFrom(value(choose, depth + 1))
    return made


OPS: dict[str, tuple[str, ...]] = {
    "map": (),
    "sort": ("column", "desc", "tie_break_col"),
    "limit": ("limit", "offset"),
    "filter": ("column",),
    "select": ("columns",),
    "group_by": ("field", "group_size", "size", "limit", "offset", "scorer"),
    "gone": (),
}
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "decay": ("function", "origin", "scale", "offset", "decay"),
    "num_combine": ("mode", "weights"),
    "round_decimal": ("decimal",),
    "rerank_model": ("queries", "provider", "endpoint"),
    "xgboost": ("model_resource", "output"),
    "boost_score": ("weight", "filter"),
    "gone": (),
}
SENSE: dict[str, Any] = {
    "column": "n",
    "desc": True,
    "limit": 2,
    "offset": 1,
    "field": "s",
    "group_size": 1,
    "scorer": "sum",
    "function": "exp",
    "origin": 1.0,
    "scale": 2.0,
    "decay": 0.5,
    "mode": "sum",
    "decimal": 2,
    "tie_break_col": "$id",
}
"""Parameters that make sense, so that chains get as far as running."""
COLUMNS = ("$id", "$score", "n", "f", "i8", "flag", "s", "j", "a", "v", "gone", "", "made")


def chain(choose: random.Random) -> Any:
    made = schema_pb2.FunctionChain(stage=choose.choice((0, 1, 2, 3, 4, 4, 4, 4, 2, 5)), name="c")
    for _ in range(choose.randrange(5)):
        op = made.ops.add(op=choose.choice(tuple(OPS)))
        fill(choose, op.params, OPS[op.op])
        op.inputs.extend(choose.choices(COLUMNS, k=choose.randrange(2)))
        if op.op == "map" or choose.random() < 0.1:
            op.outputs.extend(
                choose.choices(("$score", "made", "n", "$id", ""), (5, 5, 1, 1, 1), k=choose.choice((1, 1, 1, 0, 2)))
            )
            op.expr.name = choose.choice(tuple(FUNCTIONS))
            fill(choose, op.expr.params, FUNCTIONS[op.expr.name])
            for name in choose.choices(
                COLUMNS, (3, 9, 9, 9, 3, 1, 1, 1, 1, 1, 1, 1, 4), k=choose.choice((1, 1, 2, 2, 3, 0))
            ):
                op.expr.args.add().column.name = name
    return made


def fill(choose: random.Random, params: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if name in SENSE and choose.random() < 0.8:
            sense = SENSE[name]
            kind = {bool: "bool_value", int: "int64_value", float: "double_value", str: "string_value"}[type(sense)]
            setattr(params[name], kind, sense)
        elif choose.random() < 0.4:
            params[name].CopyFrom(value(choose))


def test_function_chains(stage: Stage) -> None:
    choose = random.Random(7)
    ends = [
        searched(stage, {}, function_chains=[chain(choose) for _ in range(choose.choice((1, 1, 2)))])
        for _ in range(1_500)
    ]
    assert "answered" in ends
    assert len(set(ends)) > 50


def test_chains_of_very_many_operations(stage: Stage) -> None:
    long = schema_pb2.FunctionChain(stage=schema_pb2.FunctionChainStage.FunctionChainStageL2Rerank)
    for number in range(10_000):
        op = long.ops.add(op="map", outputs=[f"c{number}"])
        op.expr.name = "num_combine"
        op.expr.args.add().column.name = "$score"
        op.expr.args.add().column.name = f"c{number - 1}" if number else "n"
    searched(stage, {}, function_chains=[long])


def aggregation(choose: random.Random, depth: int = 0) -> Any:
    sizes = (0, 1, 1, 2, 3, 3, -1, 2**31, 2**62)
    made = common_pb2.SearchAggregationSpec(
        fields=choose.choices(
            ("s", "n", "i8", "flag", "f", "j", "v", "gone", "id", ""),
            (9, 9, 9, 9, 1, 1, 1, 1, 3, 1),
            k=choose.choice((1, 1, 1, 2, 0)),
        ),
        size=choose.choice(sizes[1:6]) if choose.random() < 0.8 else choose.choice(sizes),
        search_size=choose.choice((0, 0, 0, 3, -1, 2**62)),
    )
    for alias in choose.choices(("m", "x", "", "_count", "_key", "_score"), (9, 9, 1, 1, 1, 1), k=choose.randrange(3)):
        made.metrics[alias].op = choose.choice(("count", "sum", "avg", "min", "max", "gone", ""))
        made.metrics[alias].field_name = choose.choice(("*", "n", "f", "s", "flag", "_score", "v", "gone", ""))
    for _ in range(choose.randrange(2)):
        made.order.add(
            key=choose.choice(("m", "_count", "_key", "gone", "")), direction=choose.choice(("asc", "desc", "", "up"))
        )
    if choose.random() < 0.4:
        made.top_hits.size = choose.choice((1, 2, 3, 0, -1, 2**62))
        for _ in range(choose.randrange(3)):
            made.top_hits.sort.add(
                field_name=choose.choice(("n", "f", "s", "_score", "v", "j", "gone", "")),
                direction=choose.choice(("asc", "desc", "", "up")),
            )
    if choose.random() < 0.4 and depth < 6:
        made.sub_aggregation.CopyFrom(aggregation(choose, depth + 1))
    return made


def test_search_aggregations(stage: Stage) -> None:
    choose = random.Random(7)
    ends = [
        searched(
            stage,
            choose.choice(({}, {}, {}, {"offset": 1}, {"group_by_field": "n"}, {"topk": None})),
            search_aggregation=aggregation(choose),
        )
        for _ in range(1_500)
    ]
    assert "answered" in ends
    assert len(set(ends)) > 30
