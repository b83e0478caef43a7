"""Typed columns of JSON: what they hold is what the texts say, bit for bit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from storage_faults import flip

from elanus._native.json import HOLLOW, Extracted, Kind, extract_path, validate_json
from elanus.model.columns import Column, varlen_buffers
from elanus.model.errors import DataCorrupted
from elanus.model.schema import Field
from elanus.model.types import DataType
from elanus.storage import parquet, shredded
from elanus.storage.local import LocalStore
from elanus.storage.memory import MemoryStore
from elanus.storage.shredded import LIMITS, MAX_PATHS, SHARE, ShreddedColumn, path_name, write_shredded
from elanus.storage.store import ObjectStore

FIELD = Field(id=101, name="j", type=DataType.JSON, nullable=True)
KEYS = ["a", "b", "0", "1", "", "a.b", '"', "\\", "\n", "é", "中😀", "\\u0061"]
STEPS: list[str | int] = ["a", "b", "0", 0, 1, "", "absent"]
WORDS = ["null", "true", "false", "0", "-0", "-0.0", "1", "1.0", "-1.5e-3", "1e400", "-1e400", "9223372036854775807"]
WORDS += ["-9223372036854775808", "9223372036854775808", "123456789012345678901234567890", "0.1", "1E5", "[]", "{}"]


def spelled(text: str) -> st.SearchStrategy[str]:
    """Return ways to write a string in JSON."""
    escaped = '"' + "".join(f"\\u{unit:04x}" for unit in np.frombuffer(text.encode("utf-16-le"), np.uint16)) + '"'
    return st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False), escaped])


def joined(brackets: str, parts: Sequence[str], space: str) -> str:
    return brackets[0] + space + f"{space},{space}".join(parts) + space + brackets[1]


SPACE = st.sampled_from(["", " ", "\n\t"])
STRINGS = st.sampled_from(["", "a", "[1]", '{"a":1}', "7", "null", "é\n"]).flatmap(spelled) | st.just(r'"\ud83d"')


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    key = st.sampled_from(KEYS).flatmap(spelled) | st.just(r'"\udc00"')
    member = st.builds(lambda key, space, value: f"{key}{space}:{space}{value}", key, SPACE, inner)
    objects = st.builds(joined, st.just("{}"), st.lists(member, max_size=4), SPACE)
    return objects | st.builds(joined, st.just("[]"), st.lists(inner, max_size=3), SPACE)


JSON_TEXTS = st.recursive(st.sampled_from(WORDS) | STRINGS, containers, max_leaves=12)


def column(texts: Sequence[str | None]) -> Column:
    return Column(FIELD, pa.array([None if text is None else text.encode() for text in texts], pa.large_binary()))


def shred(texts: Column, store: ObjectStore | None = None) -> ShreddedColumn:
    store = store or MemoryStore()
    file = write_shredded(store, "json.101.parquet", texts)
    assert file is not None
    parquet.verify(store, file)
    return ShreddedColumn(store, file)


def raw(texts: Column, path: Sequence[str | int]) -> Extracted:
    return extract_path(*varlen_buffers(texts.data.fill_null(b"")), path)


def assert_same(found: Extracted | None, expected: Extracted) -> None:
    assert found is not None
    for part, wanted in zip(found, expected, strict=True):
        assert part.dtype == wanted.dtype
        np.testing.assert_array_equal(part, wanted)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | JSON_TEXTS, min_size=1, max_size=8))
@example(['{"a":{"b":1},"a":{"0":2}}', '{"a":[5]}', '{"a":"[7]"}'])
@example(['{"a":{"0":2}}', '{"a":{"1":[]}}'])
@example(['{"a":1e400,"a":-0.0}', '{"a":"x"}', '{"a":true}', '{"a":[null]}', '{"a":{"x":null}}', '{"a":null}', None])
def test_every_path_is_as_the_texts_have_it(texts: list[str | None]) -> None:
    whole = column([*texts, "[]"])
    assert validate_json(*varlen_buffers(whole.data.fill_null(b"0")), must_be_object=False) == -1
    typed = shred(whole)
    paths = [tuple(entry) for entry in typed._entries]
    for path in {*paths, *(path for length in range(4) for path in itertools.product(STEPS, repeat=length))}:
        found = typed.read(path)
        assert found is not None or not typed.holds(path)
        if found is not None:
            assert_same(found, raw(whole, path))
    assert all(typed.holds(path) for path in paths)


def test_rows_of_many_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shredded, "GROUP_VALUES", 400)
    rng = np.random.default_rng(3)
    values = [1, 2.5, "x" * 9, True, None, [1, [2]], {"z": {}}, {"z": 3}]
    texts = column([json.dumps({"a": values[rng.integers(8)], "b": row}) for row in range(1000)])
    store = MemoryStore()
    typed = shred(texts, store)
    assert typed._metadata.num_row_groups == 10
    for path in [(), ("a",), ("b",), ("a", "z"), ("a", 0), ("b", "c")]:
        assert_same(typed.read(path), raw(texts, path))


def test_a_number_in_a_path_is_a_key_of_objects_and_a_place_in_arrays() -> None:
    objects = shred(column(['{"a":{"0":1}}', '{"a":{"0":"x"}}']))
    assert objects.holds(("a", 0))
    assert_same(objects.read(("a", 0)), objects.read(("a", "0")))
    arrays = column(['{"a":[[1,2]]}', '{"a":"[3]"}', '{"a":{"k":0}}'])
    assert not shred(arrays).holds(("a", 0, 1))
    assert_same(shred(arrays).read(("a", 0, 1)), raw(arrays, ("a", 0, 1)))
    assert shred(column(['{"a":[1]}', '{"a":{"0":1}}'])).read(("a", 0)) is None


def test_a_path_that_no_row_has_needs_no_column() -> None:
    typed = shred(column(['{"a":1}', '{"b":{"c":1}}', "[{}]"]))
    for path in [("x",), ("a", "x"), ("b", "c", "d"), ("b", 0)]:
        assert typed.holds(path)
        assert typed.read(path).kinds.tolist() == [0, 0, 0]
    assert not typed.holds((0,))


def test_rare_paths_are_left_to_the_texts() -> None:
    texts = column([json.dumps({"a": row} | ({"r": {"s": 1}} if row == 5 else {})) for row in range(2 * SHARE)])
    typed = shred(texts)
    assert typed.read(("r",)) is typed.read(("r", "s")) is None
    assert not typed.holds(("r", "s"))
    assert typed.holds(("r", "t"))
    assert_same(typed.read(("a",)), raw(texts, ("a",)))


def test_json_without_end_is_cut_and_said_to_be() -> None:
    wide = column([json.dumps({f"k{row}": {f"s{row}": row}, "same": row}) for row in range(5_000)])
    deep = column(['{"a":' * 511 + "[1]" + "}" * 511])
    long = column([json.dumps({"k" * 60_000: row, "same": row}) for row in range(100)])
    for texts, present, unknown in [
        (wide, ("same",), ("k4999", "s4999")),
        (deep, ("a",) * LIMITS.depth, ("a",) * (LIMITS.depth + 1)),
        (long, ("same",), ("k" * 60_000,)),
    ]:
        typed = shred(texts)
        assert_same(typed.read(present), raw(texts, present))
        assert not typed.holds(unknown)
        assert not typed.holds(("absent",))
    many = column([json.dumps({f"k{key}": key for key in range(400)})] * 2)
    typed = shred(many)
    assert len(typed._entries) == MAX_PATHS
    assert typed.holds(("absent",))
    assert not typed.holds(("k399",))


def test_nothing_is_written_of_nulls() -> None:
    assert write_shredded(MemoryStore(), "k", column([None] * 5)) is None


def test_other_readers_see_typed_columns(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    shred(column(['{"a b":{"n":1}}', '{"a b":{"n":2.5}}', '{"a b":{"n":"x"}}', '{"a b":{"n":[]}}', "{}"]), store)
    table = pq.read_table(tmp_path / "json.101.parquet").to_pydict()
    assert table == {
        "$:kind": [Kind.OBJECT, Kind.OBJECT, Kind.OBJECT, Kind.OBJECT + HOLLOW, Kind.OBJECT + HOLLOW],
        '$["a b"]:kind': [Kind.OBJECT, Kind.OBJECT, Kind.OBJECT, Kind.OBJECT + HOLLOW, 0],
        '$["a b"].n:kind': [Kind.INT, Kind.DOUBLE, Kind.STRING, Kind.ARRAY + HOLLOW, 0],
        '$["a b"].n:int64': [1, None, None, None, None],
        '$["a b"].n:double': [None, 2.5, None, None, None],
        '$["a b"].n:string': [None, None, "x", None, None],
        '$["a b"].n:array': [None, None, None, "[]", None],
    }


@given(st.lists(st.lists(st.text(max_size=3), max_size=3), min_size=2, max_size=2, unique_by=tuple))
def test_no_two_paths_have_one_name(paths: list[list[str]]) -> None:
    assert path_name(paths[0]) != path_name(paths[1])


def test_a_file_without_a_directory_is_damage(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    file = parquet.write_deletes(store, "json.101.parquet", np.arange(3), np.arange(3, dtype=np.uint64))
    with pytest.raises(DataCorrupted, match=r"json\.101\.parquet"):
        ShreddedColumn(store, file)


def test_a_changed_file_is_damage(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    file = write_shredded(store, "json.101.parquet", column(['{"a":1}'] * 100))
    flip(tmp_path / "json.101.parquet", file.size - 6)
    with pytest.raises(DataCorrupted, match=r"json\.101\.parquet"):
        ShreddedColumn(store, file)
