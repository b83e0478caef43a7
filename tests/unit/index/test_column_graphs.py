"""Column graphs of one index: the fields they are declared for, what they find, what damaged files say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from elanus._native.graph import NO_VALUE, ColumnGraph, ColumnSettings, Graph
from elanus._native.kernels import Vectors
from elanus.expr import bind
from elanus.index import INDEX_KINDS, BuildStopped, parse_search
from elanus.index.base import Term
from elanus.index.create import build_params, resolve
from elanus.index.dense.column_graphs import ColumnValues, graph_fields, numbered, terms_of
from elanus.index.dense.graph import GraphIndex, GraphSearch
from elanus.index.sections import SECTIONS_FILE, read_sections, write_sections
from elanus.model.bitset import Bitset
from elanus.model.errors import DataCorrupted, InvalidParameter
from elanus.model.ids import FieldId, IndexId
from elanus.model.manifest import IndexInfo
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType, Metric

ROWS, DIM, K = 9_000, 16, 10
CATEGORY, LANG = FieldId(101), FieldId(102)
NAMES = ["ant", "bee", "cat", "dog", "élan"]
SHARES = [0.3, 0.25, 0.25, 0.15, 0.05]
SCANS_COST = {"cost_run": 500.0, "cost_list": 500.0, "cost_scattered": 35.0, "cost_link": 1.5, "cost_hop": 60.0}


@cache
def vectors() -> np.ndarray:
    random = np.random.default_rng(5)
    centres = random.normal(size=(40, DIM))
    return (centres[random.integers(40, size=ROWS)] + 0.7 * random.normal(size=(ROWS, DIM))).astype(np.float32)


@cache
def categories() -> np.ndarray:
    """Return a name each row; None where the row is a multiple of 50."""
    random = np.random.default_rng(6)
    drawn = random.choice(np.array(NAMES, dtype=object), size=ROWS, p=SHARES)
    drawn[::50] = None
    return drawn


@cache
def languages() -> np.ndarray:
    return np.random.default_rng(7).choice([-3, 0, 2**40], size=ROWS, p=[0.4, 0.35, 0.25])


def base() -> Vectors:
    return Vectors.of(vectors(), DataType.FLOAT_VECTOR)


@cache
def plain() -> GraphIndex:
    kind = INDEX_KINDS["HNSW"]
    index = kind.build(base(), Metric.L2, kind.build_params.parse({"M": 16, "efConstruction": 100}))
    assert isinstance(index, GraphIndex)
    # So few rows would be scanned, on one machine or another.
    index._graph = Graph.open({**index._graph.facts, **SCANS_COST}, index._graph.sections())
    return index


@cache
def grouped() -> GraphIndex:
    columns = {CATEGORY: pa.array(categories().tolist(), pa.string()), LANG: pa.array(languages(), pa.int64())}
    return plain().with_columns(base(), columns)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    grouped().save(tmp_path)
    return tmp_path


def load(folder: Path, *, mapped: bool = True) -> GraphIndex:
    return GraphIndex.load(folder, DataType.FLOAT_VECTOR, Metric.L2, kind="HNSW", version=2, mapped=mapped)


def queries() -> np.ndarray:
    return vectors()[:40] + np.float32(0.05)


def searched(index, mask, terms, hints="", *, k=K, ef=100):
    """Return recall and strategy; every hit must pass and carry its exact distance, and none may lack."""
    params = parse_search(INDEX_KINDS["HNSW"], {"ef": max(ef, k), "hints": hints}, k)
    assert isinstance(params, GraphSearch)
    asked = queries()
    found, work = index.search(
        Vectors.of(asked, DataType.FLOAT_VECTOR), base(), k, params, Bitset.from_mask(mask), terms=terms
    )
    passing = np.flatnonzero(mask)
    count = min(k, len(passing))
    true = ((asked[:, None] - vectors()[None, passing]) ** 2).sum(axis=2)
    assert (found.rows[:, count:] == -1).all()
    assert np.isin(found.rows[:, :count], passing).all()
    for number, row in enumerate(found.rows[:, :count]):
        assert len(set(row.tolist())) == count
        np.testing.assert_allclose(
            found.distances[number, :count], ((asked[number] - vectors()[row]) ** 2).sum(axis=1), rtol=1e-4
        )
    bound = np.sort(true, axis=1)[:, count - 1 : count] if count else np.zeros((len(asked), 0))
    right = found.distances[:, :count] <= bound * (1 + 1e-5)
    return (float(right.mean()) if count else 1.0), work.strategy


def category(*names):
    return Term(CATEGORY, names), np.isin(categories(), names)


def lang(*values):
    return Term(LANG, values), np.isin(languages(), values)


# --- what is found ---

EVEN = np.arange(ROWS) % 2 == 0
FILTERS = {
    "one value": [category("bee")],
    "a rare value": [category("élan")],
    "values": [category("ant", "dog")],
    "values with and without graphs": [category("élan", "cat")],
    "values and one that no row has": [category("cat", "zebra")],
    "numbers": [lang(-3)],
    "large numbers": [lang(2**40, 0)],
    "two columns": [category("ant"), lang(0)],
    "further conditions": [category("ant"), (None, EVEN)],
    "few rows of a value": [category("ant"), (None, np.arange(ROWS) < 60)],
    "no row": [category("ant"), (None, ~EVEN), (None, EVEN)],
}


@pytest.mark.parametrize("hints", ["", "column"])
@pytest.mark.parametrize("name", FILTERS)
def test_values_are_found_in_their_graphs(name, hints):
    terms = [term for term, _ in FILTERS[name] if term is not None]
    mask = np.logical_and.reduce([mask for _, mask in FILTERS[name]])
    recall, strategy = searched(grouped(), mask, terms, hints)
    assert recall >= 0.97
    if hints == "column":
        assert strategy == "column"


@pytest.mark.parametrize("mapped", [False, True])
def test_graphs_are_as_good_from_files(saved, mapped):
    term, mask = category("ant")
    recall, strategy = searched(load(saved, mapped=mapped), mask, [term], "column")
    assert (recall >= 0.97, strategy) == (True, "column")


def test_more_rows_than_a_value_has_are_all_found():
    term, mask = category("élan")
    recall, _ = searched(grouped(), mask, [term], "column", k=600)
    assert recall == 1.0


def test_cost_chooses_the_graphs_of_a_value():
    term, mask = category("ant")
    assert searched(grouped(), mask, [term], ef=10)[1] == "column"
    few, most = [lang(2**40, -3, 0)[0]], np.ones(ROWS, dtype=bool)
    most[::9] = False
    assert searched(grouped(), most, few, ef=10)[1] != "column", "three walks cost more than one"


def test_other_columns_and_strategies_go_their_way():
    term, mask = category("ant")
    assert searched(grouped(), mask, [Term(FieldId(109), ("ant",))], "column")[1] != "column"
    assert searched(plain(), mask, [term], "column")[1] != "column"
    assert searched(grouped(), mask, [term], "scan")[1] == "scan"
    assert searched(grouped(), mask, [], "column")[1] != "column"


def test_rows_without_a_vector_are_in_no_graph():
    kind = INDEX_KINDS["HNSW"]
    keep = np.arange(ROWS) % 3 != 0
    bits = Bitset.from_mask(keep)
    index = kind.build(base(), Metric.L2, kind.build_params.parse({"M": 8, "efConstruction": 60}), keep=bits)
    index = index.with_columns(base(), {LANG: pa.array(languages())}, keep=bits)
    term, mask = lang(-3)
    recall, strategy = searched(index, mask & keep, [term], "column")
    assert (recall >= 0.97, strategy) == (True, "column")


def test_vectors_without_codes_have_column_graphs():
    kind, random = INDEX_KINDS["HNSW"], np.random.default_rng(3)
    bits = random.integers(0, 256, (4_200, 16)).astype(np.uint8)
    column = Vectors.of(bits, DataType.BINARY_VECTOR)
    groups = np.arange(4_200) % 2 == 1
    index = kind.build(column, Metric.HAMMING, kind.build_params.parse({"M": 8, "efConstruction": 50}))
    index = index.with_columns(column, {LANG: pa.array(groups)})
    asked = Vectors.of(bits[:20], DataType.BINARY_VECTOR)
    params = parse_search(kind, {"ef": 200, "hints": "column"}, 5)
    flags, term = Bitset.from_mask(groups), Term(LANG, (True,))
    found, work = index.search(asked, column, 5, params, flags, terms=[term])
    scanned, _ = index.search(asked, column, 5, parse_search(kind, {"hints": "scan"}, 5), flags)
    assert work.strategy == "column"
    assert (found.distances <= scanned.distances[:, -1:]).mean() >= 0.9


def test_columns_of_which_no_value_has_a_graph_are_left_out():
    index = plain().with_columns(base(), {CATEGORY: pa.array(range(ROWS)), LANG: pa.array([1] * ROWS)})
    assert index.memory_bytes == plain().memory_bytes


def test_a_build_stops_when_asked():
    with pytest.raises(BuildStopped):
        plain().with_columns(base(), {LANG: pa.array(languages())}, stop=lambda: True)


@pytest.mark.parametrize(
    ("values", "keys", "numbers"),
    [
        (pa.array(["b", None, "a", "b"]), ["a", "b"], [1, NO_VALUE, 0, 1]),
        (pa.array([5, -1, None, 5], pa.int8()), [-1, 5], [1, 0, NO_VALUE, 1]),
        (pa.array([True, None, False]), [0, 1], [1, NO_VALUE, 0]),
        (pa.array([None, None], pa.int64()), [], [NO_VALUE, NO_VALUE]),
    ],
)
def test_values_are_numbered_in_their_order(values, keys, numbers):
    found, found_numbers = numbered(values)
    assert (list(found.tolist()), found_numbers.tolist()) == (keys, numbers)


@pytest.mark.parametrize("count", [10, 10_000])
def test_few_and_many_values_have_their_numbers(count):
    graph = grouped()._columns._columns[LANG].graph
    texts = ColumnValues(graph, pa.array([f"{number:05}" for number in range(count)], pa.large_string()))
    assert texts.numbers(["00003", f"{count - 1:05}", f"{count:05}", "", "x"]) == [3, count - 1]
    numbers = ColumnValues(graph, np.arange(0, 2 * count, 2))
    assert numbers.numbers([4, 4.0, 5, 2 * count, -1, 2**70, -(2**70)]) == [2, 2]


# --- files ---


def test_an_index_without_columns_has_no_sections_of_them(tmp_path):
    plain().save(tmp_path)
    header = json.loads((tmp_path / "header.json").read_text())
    assert not [name for name in read_sections(tmp_path).all_numbers() if name.startswith("column_")]
    assert not [name for name in header["facts"] if name.startswith("column_")]
    term, mask = category("ant")
    assert searched(load(tmp_path), mask, [term], "column")[1] != "column"


def rewrite(folder: Path, name: str, change) -> None:
    sections = read_sections(folder)
    arrays = dict(sections._arrays)
    changed = change(arrays.pop(name))
    if changed is not None:
        arrays[name] = changed
    (folder / SECTIONS_FILE).unlink()
    write_sections(folder, arrays)


def spoiled(array, place, value):
    numbers = array.to_numpy(zero_copy_only=False).copy()
    numbers[place] = value
    return pa.array(numbers)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("links", lambda array: spoiled(array, 3, ROWS + 5)),
        ("links", lambda array: array[:-1]),
        ("rows", lambda array: spoiled(array, 0, 2**32 - 1)),
        ("ends", lambda array: spoiled(array, 0, 2**32 - 1)),
        ("entries", lambda array: spoiled(array, 0, ROWS)),
        ("values", lambda array: spoiled(array, -1, 70)),
        ("keys", lambda array: array[:2]),
        ("keys", lambda array: array[::-1]),
        ("keys", lambda array: pa.array([1, 2])),
        ("keys", lambda _: None),
        ("links", lambda _: None),
        ("links", lambda array: array.cast(pa.int64())),
    ],
)
def test_damaged_sections_are_named(saved, section, change):
    name = f"column_{CATEGORY}_{section}"
    rewrite(saved, name, change)
    wanted = f"column_{CATEGORY}_(keys|{section})"
    with pytest.raises(DataCorrupted, match=f"{SECTIONS_FILE}, section {wanted}"):
        load(saved)


@pytest.mark.parametrize(
    "facts", [{"column_width": 0}, {"column_width": "x"}, {"column_width": 2**62}, {"column_101": "floats"}]
)
def test_headers_that_lie_about_columns_are_refused(saved, facts):
    path = saved / "header.json"
    header = json.loads(path.read_text())
    header["facts"] |= facts
    path.write_text(json.dumps(header))
    with pytest.raises(DataCorrupted):
        load(saved)


def test_native_graphs_check_what_they_are_given():
    graph = plain()._graph
    with pytest.raises(ValueError, match="values"):
        ColumnGraph.build(graph, base(), np.zeros(3, np.uint32), settings=ColumnSettings())
    with pytest.raises(ValueError, match="width 3"):
        ColumnGraph.build(graph, base(), np.zeros(ROWS, np.uint32), settings=ColumnSettings(width=3))
    other = ColumnGraph(
        2,
        1,
        dict.fromkeys(("column_values", "column_ends", "column_rows"), np.zeros(0, np.uint32))
        | {"column_entries": np.zeros(0, np.uint32), "column_links": np.full(2, NO_VALUE, np.uint32)},
    )
    with pytest.raises(ValueError, match="other rows"):
        graph.search(base(), base(), 1, ef=10, among=(other, [0]))


# --- declaring ---


def schema() -> Schema:
    return Schema(
        fields=(
            Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True),
            Field(id=CATEGORY, name="category", type=DataType.VARCHAR, max_length=20, nullable=True),
            Field(id=LANG, name="lang", type=DataType.INT8, is_partition_key=True),
            Field(id=FieldId(103), name="score", type=DataType.FLOAT),
            Field(id=FieldId(104), name="meta", type=DataType.JSON),
            Field(id=FieldId(105), name="v", type=DataType.FLOAT_VECTOR, dim=DIM),
        ),
    )


def declared(**given: str) -> IndexInfo:
    resolved = resolve(schema(), "v", "", {"metric_type": "L2", **given}, ())
    return IndexInfo(
        id=IndexId(1), name=resolved.name, field=resolved.field.id, kind=resolved.kind, metric=resolved.metric,
        params=resolved.params,
    )  # fmt: skip


@pytest.mark.parametrize("index_type", ["HNSW", "HNSW_SQ", "AUTOINDEX"])
@pytest.mark.parametrize(
    "given",
    [
        {"column_graphs": "category, lang"},
        {"column_graphs": '["category", "lang"]'},
        {"column_graphs": "['category', 'lang']"},
        {"params": '{"column_graphs": ["category", "lang"]}'},
        {"params": '{"column_graphs": "category,lang"}'},
    ],
)
def test_fields_are_declared_as_text_or_list(index_type, given):
    index = declared(index_type=index_type, **given)
    assert build_params(index).column_graphs == "category,lang"
    assert "column_graphs" in str(index.params), "describe shows it"


@pytest.mark.parametrize("index_type", ["HNSW", "AUTOINDEX"])
@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("colour", "column_graphs: field colour not found"),
        ("score", "column_graphs: field score of type Float is not supported, supported: "),
        ("category,meta", "column_graphs: field meta of type JSON is not supported"),
        ("v", "column_graphs: field v of type FloatVector is not supported"),
        ("[1]", "column_graphs: field 1 not found"),
    ],
)
def test_fields_that_can_not_have_graphs_are_refused(index_type, names, why):
    with pytest.raises(InvalidParameter, match=why):
        declared(index_type=index_type, column_graphs=names)


def test_autoindex_takes_no_other_parameter():
    with pytest.raises(InvalidParameter, match="only metric type can be passed"):
        declared(index_type="AUTOINDEX", column_graphs="lang", M="8")


def test_the_partition_key_is_added_once():
    names = [field.name for field in graph_fields(schema(), "category", partition_key=True)]
    assert names == ["category", "lang"]
    assert len(graph_fields(schema(), "lang", partition_key=True)) == 1
    assert graph_fields(schema(), "", partition_key=False) == []


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ('category == "a"', {CATEGORY: {"a"}}),
        ('category in ["a", "b"] and score > 0.5', {CATEGORY: {"a", "b"}}),
        ('(category == "a" or category == "b") and lang == 3', {CATEGORY: {"a", "b"}, LANG: {3}}),
        ('category == "a" or score > 0.5', {}),
        ('category != "a"', {}),
        ('not (category == "a")', {}),
        ('category like "a%"', {}),
        ('category == "a" and category == "b"', {}),
        (f"category in {json.dumps([str(number) for number in range(9)])}", {}),
        (f"category in {json.dumps([str(number) for number in range(8)])}", {CATEGORY: {*map(str, range(8))}}),
    ],
)
def test_filters_tell_the_only_values(text, terms):
    fields = graph_fields(schema(), "category,lang", partition_key=False)
    assert {term.field: set(term.values) for term in terms_of(bind(text, schema(), {}, "UTC"), fields)} == terms
