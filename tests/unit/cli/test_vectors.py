"""Vectors as they are typed: what a search is sent for them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from elanus.cli.vectors import VectorError, group_of, key_of
from elanus.model.types import DataType
from elanus.server.grpc.queries import parse_queries


@pytest.mark.parametrize("kind", [DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR])
def test_floats_are_sent_for_fields_of_floats(kind: DataType) -> None:
    group, nq = group_of("[[0.5, 1], [2, 3]]", kind)
    queries = parse_queries(group)
    assert (nq, queries.type) == (2, DataType.FLOAT_VECTOR)
    assert queries.matrix is not None
    assert queries.matrix.tolist() == [[0.5, 1], [2, 3]]


@pytest.mark.parametrize(
    ("kind", "values"), [(DataType.INT8_VECTOR, [[-128, 127]]), (DataType.BINARY_VECTOR, [[0, 255]])]
)
def test_small_integers_are_sent_for_fields_of_them(kind: DataType, values: list[list[int]]) -> None:
    queries = parse_queries(group_of(str(values), kind)[0])
    assert queries.type is kind
    assert queries.matrix is not None
    assert queries.matrix.tolist() == values


def test_files_hold_one_vector_or_many(tmp_path: Path) -> None:
    for shape in ((3,), (1, 3), (4, 3)):
        np.save(tmp_path / "vectors.npy", np.ones(shape))
        group, nq = group_of(str(tmp_path / "vectors.npy"), DataType.FLOAT_VECTOR)
        queries = parse_queries(group)
        assert nq == queries.nq == (shape[0] if len(shape) == 2 else 1)


def test_sparse_vectors_are_sent_in_the_order_of_their_indexes() -> None:
    queries = parse_queries(group_of('{"9": 0.5, "1": 2}', DataType.SPARSE_FLOAT_VECTOR)[0])
    assert queries.sparse is not None
    assert queries.sparse.to_pylist() == [struct.pack("<IfIf", 1, 2.0, 9, 0.5)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", DataType.FLOAT_VECTOR),
        ("5", DataType.SPARSE_FLOAT_VECTOR),
        ('["a"]', DataType.FLOAT_VECTOR),
        ("[[1], [2, 3]]", DataType.FLOAT_VECTOR),
        ("[[[1]]]", DataType.FLOAT_VECTOR),
        ("[0.5]", DataType.INT8_VECTOR),
        ("[300]", DataType.BINARY_VECTOR),
        ('{"-1": 1}', DataType.SPARSE_FLOAT_VECTOR),
        ('{"1": "x"}', DataType.SPARSE_FLOAT_VECTOR),
        ("[1]", DataType.ARRAY_OF_VECTOR),
    ],
)
def test_what_is_no_vector_is_refused(text: str, kind: DataType) -> None:
    with pytest.raises(VectorError):
        group_of(text, kind)


def test_keys_are_integers_or_texts() -> None:
    assert list(key_of("7", DataType.INT64).int_id.data) == [7]
    assert list(key_of("7", DataType.VARCHAR).str_id.data) == ["7"]
    with pytest.raises(VectorError):
        key_of("seven", DataType.INT64)
