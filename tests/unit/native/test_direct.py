"""Searches from bytes to bytes: what doesn't fit together is refused, and no bytes harm the process."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pymilvus.grpc_gen import common_pb2, schema_pb2

from elanus._native.direct import Answer, DirectSearch, Part, Walk
from elanus._native.graph import Graph
from elanus._native.kernels import Vectors, scan
from elanus.model.types import DataType, Metric

ROWS, DIM, K = 500, 8, 5
MATRIX = np.random.default_rng(1).standard_normal((ROWS, DIM)).astype(np.float32)
BASE = Vectors.of(MATRIX)
NUMBERS = pa.array(range(10, 10 + ROWS), pa.int64())
TEXTS = pa.array([f"key {row:04}" for row in range(ROWS)], pa.large_string())


@pytest.fixture(scope="module")
def part() -> Part:
    graph = Graph.build(BASE, Metric.L2, m=8, ef_construction=50)
    assert graph is not None
    return Part(Walk(graph, ef=50, refine=10), BASE, NUMBERS, None)


def settled(*parts: Part, offset: int = 0, limit: int = K) -> DirectSearch:
    return DirectSearch(parts, DataType.FLOAT_VECTOR, offset, limit, tolerance=0.0, descending=False)


def group(values: list[bytes], kind: int = common_pb2.PlaceholderType.FloatVector) -> bytes:
    placeholder = common_pb2.PlaceholderValue(tag="$0", type=kind, values=values)
    return bytes(common_pb2.PlaceholderGroup(placeholders=[placeholder]).SerializeToString())


def run(search: DirectSearch, body: bytes, nq: int) -> Answer | None:
    return search.run(body, 0, len(body), nq)


@pytest.mark.parametrize("nq", [1, 3])
def test_hits_are_those_of_a_scan(part: Part, nq: int) -> None:
    queries = MATRIX[:nq] + np.float32(0.01)
    answer = run(settled(part, offset=1), group([query.tobytes() for query in queries]), nq)
    assert answer is not None
    exact = scan(Vectors.of(queries), BASE, Metric.L2, K + 1)
    assert answer.rows.reshape(nq, K).tolist() == exact.rows[:, 1:].tolist()
    assert not answer.parts.any()
    found = schema_pb2.SearchResultData.FromString(answer.data)
    assert (found.num_queries, list(found.topks)) == (nq, [K] * nq)
    assert list(found.ids.int_id.data) == (answer.rows + 10).tolist()
    assert np.array_equal(np.float32(found.scores), exact.distances[:, 1:].ravel())


def test_keys_may_be_strings(part: Part) -> None:
    answer = run(settled(replace(part, keys=TEXTS)), group([MATRIX[7].tobytes()]), 1)
    assert answer is not None
    found = schema_pb2.SearchResultData.FromString(answer.data)
    assert list(found.ids.str_id.data) == [TEXTS[int(row)].as_py() for row in answer.rows]


@pytest.mark.parametrize("last", [-1, 2**62, 3])
def test_offsets_of_keys_that_lead_nowhere_give_no_answer(part: Part, last: int) -> None:
    offsets = np.arange(0, 8 * (ROWS + 1), 8)
    offsets[8] = last
    buffers = [None, pa.py_buffer(offsets), TEXTS.buffers()[2]]
    keys = pa.Array.from_buffers(pa.large_string(), ROWS, buffers)
    assert run(settled(replace(part, keys=keys)), group([MATRIX[7].tobytes()]), 1) is None


def test_parts_that_do_not_fit_together_are_refused(part: Part) -> None:
    with pytest.raises(ValueError, match="of its rows"):
        settled(replace(part, keys=NUMBERS[1:]))
    with pytest.raises(ValueError, match="of one type"):
        settled(part, replace(part, keys=TEXTS))
    with pytest.raises(ValueError, match="page"):
        settled(part, offset=2**64 - 1, limit=1)


@pytest.mark.parametrize(
    ("values", "options", "nq"),
    [
        ([MATRIX[0].tobytes()[:-1]], {}, 1),
        ([MATRIX[0].tobytes()] * 2, {}, 1),
        ([MATRIX[0].tobytes()], {}, 2),
        ([], {}, 0),
        ([b""] * 1000, {}, 1),
        ([np.full(DIM, np.nan, np.float32).tobytes()], {}, 1),
        ([MATRIX[0].tobytes()], {"kind": common_pb2.PlaceholderType.Int8Vector}, 1),
    ],
)
def test_other_vectors_take_the_long_way(part: Part, values: list[bytes], options: dict[str, Any], nq: int) -> None:
    answer = run(settled(part), group(values, **options), nq)
    assert answer is None or (nq == 0 and not len(answer.rows))


def test_no_bytes_harm_the_process(part: Part) -> None:
    search, whole = settled(part), group([row.tobytes() for row in MATRIX[:2]])
    assert run(search, whole, 2) is not None
    for end in range(len(whole)):
        assert search.run(whole, 0, end, 2) is None
    for start, end in [(1, 0), (0, len(whole) + 1), (2**63, 2**63)]:
        assert search.run(whole, start, end, 2) is None
    numbers = random.Random(1)
    for _ in range(2_000):
        body = bytearray(whole)
        for _ in range(numbers.randrange(1, 4)):
            body[numbers.randrange(len(body))] = numbers.randrange(256)
        answer = run(search, bytes(body), 2)
        assert answer is None or len(answer.rows) == 2 * K
