"""Grouping search equals a brute-force grouping of all rows, over growing, sealed and deleted rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pymilvus import AsyncMilvusClient, DataType, MilvusClient, MilvusException
from pymilvus.client.prepare import Prepare
from search_cases import KINDS, METRICS, make

from elanus.model.settings import JobSettings
from elanus.query.grouping import search as grouping
from serving import LocalServer, settings_for

DIM = 16
ROWS = 900
WIDE = {"HNSW": {"ef": 400, "hints": "plain"}, "HNSW_SQ": {"ef": 400, "hints": "plain"}, "IVF_FLAT": {"nprobe": 128}}
"""Search parameters with which approximate indexes find what exact ones find, and use their graphs and lists."""
Row = dict[str, Any]
Key = Callable[[Row], Any]

FIELDS: dict[str, Key] = {
    "color": lambda row: row["color"],
    "flag": lambda row: row["flag"],
    "tiny": lambda row: row["tiny"],
    "small": lambda row: row["small"],
    "number": lambda row: row["number"],
    "large": lambda row: row["large"],
    "moment": lambda row: row["moment"],
}


@dataclass
class Rows:
    """What a collection should hold, and the queries that are asked."""

    name: str
    rows: list[Row]
    queries: list[Any]
    metric: str
    ask: Callable[[Any], Any]

    def ranked(self, query: Any, passes: Callable[[Row], bool] = lambda _row: True) -> list[tuple[Row, float]]:
        """Return all rows with their scores, best first."""
        rows = [row for row in self.rows if passes(row)]
        scores = METRICS[self.metric](query, np.stack([row["drawn"] for row in rows])) if rows else np.zeros(0)
        if self.metric == "IP" and self.sparse:
            shared = np.stack([(row["drawn"] != 0) & (query != 0) for row in rows]).any(axis=1)
            rows, scores = [row for row, some in zip(rows, shared, strict=True) if some], scores[shared]
        sign = -1 if self.metric in ("IP", "COSINE") else 1
        order = sorted(range(len(rows)), key=lambda at: (sign * scores[at], rows[at]["id"]))
        return [(rows[at], float(scores[at])) for at in order]

    @property
    def sparse(self) -> bool:
        """Whether vectors are sparse."""
        return self.name.startswith("sparse")


def groups_of(ranked: list[tuple[Row, float]], key: Key, limit: int, offset: int = 0) -> list[list[int]]:
    """Return the keys of the rows of each group, the best group first."""
    groups: dict[Any, list[int]] = {}
    for row, _ in ranked:
        groups.setdefault(key(row), []).append(row["id"])
    return list(groups.values())[offset : offset + limit]


def assert_groups(hits: Any, expected: list[list[int]], size: int, *, strict: bool) -> None:
    """Raise unless hits are the expected groups: all rows up to ``size`` when strict, else at least the best."""
    ids, at = [hit["id"] for hit in hits], 0
    for number, group in enumerate(expected):
        wanted = group[:size]
        found = [key for key in ids[at : at + len(wanted)] if key in wanted]
        assert found == wanted[: len(found)], f"group {number}: {ids[at : at + size]} instead of {wanted}"
        assert len(found) == len(wanted) if strict else found, f"group {number} has {found} of {wanted}"
        at += len(found)
    assert at == len(ids), f"{ids[at:]} were not expected"


def fill(client: MilvusClient, name: str, kind_name: str, index: str, metric: str, *, partitions: bool = False) -> Rows:
    """Fill a collection with two sealed segments, growing, replaced and deleted rows; a group lies around a query."""
    kind, random = KINDS[kind_name], np.random.default_rng(5)
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    kind.add_to(schema, "v")
    schema.add_field("color", DataType.VARCHAR, max_length=20, nullable=True)
    schema.add_field("flag", DataType.BOOL, nullable=True)
    schema.add_field("tiny", DataType.INT8)
    schema.add_field("small", DataType.INT16)
    schema.add_field("number", DataType.INT32, nullable=True)
    schema.add_field("large", DataType.INT64)
    schema.add_field("moment", DataType.TIMESTAMPTZ)
    schema.add_field("doc", DataType.JSON, nullable=True)
    schema.add_field("ratio", DataType.DOUBLE)
    make(client, name, schema, [("v", index, metric, {})])
    drawn = kind.draw(random, ROWS)
    query = drawn[0].copy()
    near = random.permutation(ROWS)[: ROWS // 2]
    if kind_name != "sparse":
        drawn[near] = query + (drawn[near] * 0.01).astype(drawn.dtype)
    held: dict[int, Row] = {}
    for key in range(ROWS):
        crowded = key in set(near.tolist())
        pick = int(random.integers(0, 40))
        held[key] = {
            "id": key,
            "v": kind.send(drawn[key]),
            "drawn": drawn[key],
            "color": None if pick == 3 else "crowd" if crowded else f"color {pick}",
            "flag": [True, False, None][pick % 3],
            "tiny": 0 if crowded else pick - 20,
            "small": pick * 500,
            "number": None if pick == 4 else pick * 100_000,
            "large": 2**60 + (0 if crowded else pick),
            "moment": f"2024-01-{1 + pick % 28:02}T00:00:00Z",
            "doc": _document(pick),
            "shade": "crowd" if crowded else f"shade {pick}",
            "ratio": pick / 7,
            "pick": pick,
        }
    rows = [{name: value for name, value in row.items() if name != "drawn"} for row in held.values()]
    if partitions:
        client.create_partition(name, "second")
    for start, stop in ((0, 300), (300, 600), (600, ROWS)):
        client.insert(name, rows[start:stop], partition_name="second" if partitions and start == 300 else None)
        if stop < ROWS:
            client.flush(name)
    gone = [0, *range(10, 40), *range(610, 640)]
    client.delete(name, ids=gone[:1]) if not partitions else None
    client.delete(name, ids=gone)
    for key in gone:
        del held[key]
    queries = [query, *kind.draw(random, 2)]
    while (state := client.describe_index(name, "v"))["state"] != "Finished" or state["pending_index_rows"]:
        assert state["state"] != "Failed", state
    return Rows(name, list(held.values()), queries, metric, kind.ask)


def _document(pick: int) -> Any:
    """Return JSON whose ``kind`` is of many types, absent in some rows."""
    values = [True, False, 7, 7.0, 300, 1.5, "seven", None, [1, 2], {"a": 1}]
    return (
        None if pick == 39 else {"other": 1} if pick == 38 else {"kind": values[pick % 10], "deep": [{"n": pick % 6}]}
    )


def text_of(pick: int) -> str | None:
    """Return the text of a document's ``kind``."""
    texts = ["true", "false", "7", "7", "300", "1.5", "seven", None, "[1,2]", None]
    return None if pick >= 38 else texts[pick % 10]


INDEXES = [("float", "HNSW", "L2"), ("float", "HNSW_SQ", "COSINE"), ("float", "IVF_FLAT", "IP")]
INDEXES += [("float", "FLAT", "L2"), ("float", "AUTOINDEX", "COSINE"), ("sparse", "SPARSE_INVERTED_INDEX", "IP")]


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that gives every sealed segment its index."""
    jobs = JobSettings(index_min_rows=1)
    with LocalServer(settings_for(tmp_path_factory.mktemp("groups") / "data", jobs=jobs)) as server:
        yield server


@pytest.fixture(scope="module")
def caller(eager: LocalServer) -> Iterator[MilvusClient]:
    connected = eager.connect()
    yield connected
    connected.close()


@pytest.fixture(scope="module", params=INDEXES, ids=lambda given: given[1])
def any_index(caller: MilvusClient, request: pytest.FixtureRequest) -> Rows:
    kind, index, metric = request.param
    return fill(caller, f"{kind}_grouped_{index}", kind, index, metric)


@pytest.fixture(scope="module")
def flat(client: MilvusClient) -> Rows:
    return fill(client, "grouped_rows", "float", "FLAT", "L2")


def search(client: MilvusClient, rows: Rows, *, limit: int = 8, **options: Any) -> Any:
    return client.search(rows.name, [rows.ask(query) for query in rows.queries], limit=limit, anns_field="v", **options)


@pytest.mark.parametrize(("size", "strict"), [(1, False), (3, False), (3, True), (10, True)])
def test_every_index_finds_the_groups(caller: MilvusClient, any_index: Rows, size: int, strict: bool) -> None:
    params = {"params": WIDE.get(any_index.name.rpartition("grouped_")[2], {})}
    options = {"group_by_field": "color", "group_size": size, "strict_group_size": strict}
    answers = search(caller, any_index, search_params=params, **options)
    for query, hits in zip(any_index.queries, answers, strict=True):
        assert_groups(hits, groups_of(any_index.ranked(query), FIELDS["color"], 8), size, strict=strict)


@pytest.mark.parametrize("field", FIELDS)
def test_every_type_makes_groups(client: MilvusClient, flat: Rows, field: str) -> None:
    answers = search(client, flat, limit=30, group_by_field=field, group_size=2, strict_group_size=True)
    for query, hits in zip(flat.queries, answers, strict=True):
        assert_groups(hits, groups_of(flat.ranked(query), FIELDS[field], 30), 2, strict=True)


def test_offset_skips_groups(client: MilvusClient, flat: Rows) -> None:
    answers = search(client, flat, limit=5, offset=4, group_by_field="large", group_size=2, strict_group_size=True)
    for query, hits in zip(flat.queries, answers, strict=True):
        assert_groups(hits, groups_of(flat.ranked(query), FIELDS["large"], 5, 4), 2, strict=True)
    beyond = search(client, flat, limit=5, offset=1000, group_by_field="large")
    assert [len(hits) for hits in beyond] == [0, 0, 0]


def test_several_fields_make_one_key(client: MilvusClient, flat: Rows) -> None:
    options = {"group_by_fields": ["color", "flag", "number"], "group_size": 2, "strict_group_size": True}
    answers = search(client, flat, limit=60, **options)
    for query, hits in zip(flat.queries, answers, strict=True):
        expected = groups_of(flat.ranked(query), lambda row: (row["color"], row["flag"], row["number"]), 60)
        assert_groups(hits, expected, 2, strict=True)


def test_only_rows_that_pass_are_grouped(client: MilvusClient, flat: Rows) -> None:
    answers = search(client, flat, filter="tiny != 0 and pick < 25", group_by_field="small", limit=40)
    for query, hits in zip(flat.queries, answers, strict=True):
        ranked = flat.ranked(query, lambda row: row["tiny"] != 0 and row["pick"] < 25)
        assert_groups(hits, groups_of(ranked, FIELDS["small"], 40), 1, strict=True)


def test_groups_of_one_partition(client: MilvusClient) -> None:
    rows = fill(client, "grouped_partitions", "float", "HNSW", "L2", partitions=True)
    answers = search(client, rows, group_by_field="color", partition_names=["second"])
    for query, hits in zip(rows.queries, answers, strict=True):
        ranked = rows.ranked(query, lambda row: 300 <= row["id"] < 600)
        assert_groups(hits, groups_of(ranked, FIELDS["color"], 8), 1, strict=True)


def test_growing_rows_can_be_left_out(client: MilvusClient, flat: Rows) -> None:
    answers = search(client, flat, group_by_field="color", search_params={"ignore_growing": True})
    for query, hits in zip(flat.queries, answers, strict=True):
        ranked = flat.ranked(query, lambda row: row["id"] < 600)
        assert_groups(hits, groups_of(ranked, FIELDS["color"], 8), 1, strict=True)


def test_equally_near_rows_are_ordered_by_key_within_and_between_groups(client: MilvusClient, name: str) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("g", DataType.INT64)
    make(client, name, schema, [("v", "HNSW", "L2", {})])
    keys = np.random.default_rng(1).permutation(400).tolist()
    rows = [{"id": key, "v": [1.0, 0.0, 0.0, 0.0], "g": key % 100} for key in keys]
    client.insert(name, rows[:200])
    client.flush(name)
    client.insert(name, rows[200:])
    (hits,) = client.search(
        name, [[0.0] * 4], limit=5, group_by_field="g", group_size=2, strict_group_size=True, output_fields=["g"]
    )
    assert [hit["id"] for hit in hits] == [0, 100, 1, 101, 2, 102, 3, 103, 4, 104]


# --- JSON and dynamic keys ---


def test_a_dynamic_key_makes_groups(client: MilvusClient, flat: Rows) -> None:
    answers = search(client, flat, group_by_field="shade", group_size=2, strict_group_size=True)
    for query, hits in zip(flat.queries, answers, strict=True):
        assert_groups(hits, groups_of(flat.ranked(query), lambda row: row["shade"], 8), 2, strict=True)


JSON_CASTS = [
    (None, text_of),
    (DataType.BOOL, lambda pick: {0: True, 1: False}.get(pick % 10) if pick < 38 else None),
    (DataType.INT64, lambda pick: {2: 7, 3: 7, 4: 300}.get(pick % 10) if pick < 38 else None),
    (DataType.INT8, lambda pick: {2: 7, 3: 7}.get(pick % 10) if pick < 38 else None),
]


@pytest.mark.parametrize(("cast", "value"), JSON_CASTS, ids=["text", "bool", "int64", "int8"])
@pytest.mark.parametrize("path", ["json_path", "name"])
def test_json_values_are_cast(
    client: MilvusClient, flat: Rows, cast: DataType | None, value: Callable[[int], Any], path: str
) -> None:
    options: dict[str, Any] = {} if cast is None else {"json_type": cast}
    if path == "name":
        options["group_by_field"] = 'doc["kind"]'
    else:
        options |= {"group_by_field": "doc", "json_path": 'doc["kind"]'}
    answers = search(client, flat, limit=20, group_size=3, strict_group_size=True, **options)
    for query, hits in zip(flat.queries, answers, strict=True):
        expected = groups_of(flat.ranked(query), lambda row: value(row["pick"]), 20)
        assert_groups(hits, expected, 3, strict=True)


def test_a_strict_cast_drops_what_is_of_another_type(client: MilvusClient, flat: Rows) -> None:
    options = {"group_by_field": "doc", "json_path": 'doc["kind"]', "json_type": DataType.BOOL, "strict_cast": True}
    answers = search(client, flat, limit=20, group_size=10, strict_group_size=True, **options)
    for query, hits in zip(flat.queries, answers, strict=True):
        # Booleans, and the group of rows that have no value at all.
        ranked = flat.ranked(query, lambda row: row["pick"] >= 38 or row["pick"] % 10 in (0, 1, 7))
        expected = groups_of(ranked, lambda row: JSON_CASTS[1][1](row["pick"]), 20)
        assert_groups(hits, expected, 10, strict=True)


def test_a_deep_path_makes_groups(client: MilvusClient, flat: Rows) -> None:
    answers = search(client, flat, group_by_field="doc", json_path='doc["deep"][0]["n"]', json_type=DataType.INT32)
    for query, hits in zip(flat.queries, answers, strict=True):
        expected = groups_of(flat.ranked(query), lambda row: row["pick"] % 6 if row["pick"] < 38 else None, 8)
        assert_groups(hits, expected, 1, strict=True)


# --- the reply ---


def _reply(client: MilvusClient, rows: Rows, **options: Any) -> Any:
    """Return what a search replies: pymilvus keeps no group values."""
    vectors = [rows.ask(query) for query in rows.queries]
    request = Prepare.search_requests_with_expr(rows.name, "v", {}, 8, data=vectors, **options)
    return client._get_connection()._stub.Search(request).results


def test_one_field_is_returned_alone_and_several_as_a_list(client: MilvusClient, flat: Rows) -> None:
    data = _reply(client, flat, group_by_field="color")
    colors = {row["id"]: row["color"] for row in flat.rows}
    field = data.group_by_field_value
    shown = zip(field.valid_data, field.scalars.string_data.data, strict=True)
    assert [text if valid else None for valid, text in shown] == [colors[key] for key in data.ids.int_id.data]
    assert field.field_name == "color"
    assert not data.group_by_field_values
    several = _reply(client, flat, group_by_fields=["color", "tiny"])
    assert [field.field_name for field in several.group_by_field_values] == ["color", "tiny"]
    assert not several.HasField("group_by_field_value")


def test_output_fields_come_with_groups(client: MilvusClient, flat: Rows) -> None:
    colors = {row["id"]: row["color"] for row in flat.rows}
    for hits in search(client, flat, group_by_field="color", output_fields=["color", "shade"]):
        assert [hit["entity"]["color"] for hit in hits] == [colors[hit["id"]] for hit in hits]


def test_async_clients_group(server: LocalServer, flat: Rows) -> None:
    async def ask() -> Any:
        client = AsyncMilvusClient(server.uri)
        try:
            options = {"group_by_field": "color", "group_size": 2}
            return await client.search(flat.name, [flat.queries[0]], limit=8, anns_field="v", **options)
        finally:
            await client.close()

    answers = asyncio.run(ask())
    assert_groups(answers[0], groups_of(flat.ranked(flat.queries[0]), FIELDS["color"], 8), 2, strict=False)


def test_a_text_key_is_ordered_and_grouped(client: MilvusClient, name: str) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.VARCHAR, max_length=10, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("g", DataType.INT64)
    make(client, name, schema, [("v", "FLAT", "L2", {})])
    client.insert(name, [{"id": f"k{key}", "v": [float(key // 2), 0.0], "g": key % 3} for key in range(12)])
    (hits,) = client.search(name, [[0.0, 0.0]], limit=2, group_by_field="g", group_size=2, strict_group_size=True)
    assert [hit["id"] for hit in hits] == ["k0", "k3", "k1", "k4"]


def test_nothing_to_group_gives_nothing(client: MilvusClient, flat: Rows) -> None:
    answers = search(client, flat, filter="pick > 1000", group_by_field="color", group_size=2, strict_group_size=True)
    assert [len(hits) for hits in answers] == [0, 0, 0]


REFUSED = [
    ({"group_by_field": "ratio"}, "group by field ratio has unsupported data type Double"),
    ({"group_by_field": "v"}, "group by field v has unsupported data type FloatVector"),
    ({"group_by_field": "doc"}, "group by field doc has unsupported data type JSON"),
    ({"group_by_fields": ["color", "shade"]}, "groupBy field not found in schema: field not found[field=shade]"),
    ({"group_by_fields": ["color", "doc"]}, "group by field doc has unsupported data type JSON"),
    ({"group_by_field": "color", "json_path": 'doc["kind"]'}, "json_path leads into a JSON field, and color is"),
    ({"group_by_field": "doc", "json_path": 'shade["a"]'}, "is not a path into field doc"),
]


@pytest.mark.parametrize(("options", "phrase"), REFUSED)
def test_what_cannot_be_grouped_is_refused(
    client: MilvusClient, flat: Rows, options: dict[str, Any], phrase: str
) -> None:
    with pytest.raises(MilvusException) as caught:
        search(client, flat, **options)
    assert phrase in caught.value.message


# --- elements of struct arrays ---


@pytest.mark.parametrize("sealed", [False, True])
def test_elements_are_grouped_by_their_rows(client: MilvusClient, name: str, sealed: bool) -> None:
    schema, random = client.create_schema(), np.random.default_rng(8)
    schema.add_field("id", DataType.INT64, is_primary=True)
    sub_fields = MilvusClient.create_struct_field_schema()
    sub_fields.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("s", DataType.ARRAY, element_type=DataType.STRUCT, struct_schema=sub_fields, max_capacity=200)
    make(client, name, schema, [("s[v]", "HNSW", "L2", {})])
    # Half of all elements are those of one row, around the query.
    lengths = [150, *random.integers(0, 6, 60).tolist()]
    vectors = [random.normal(size=(length, 4)).astype(np.float32) * (0.01 if length > 9 else 1) for length in lengths]
    client.insert(name, [{"id": key, "s": [{"v": v.tolist()} for v in held]} for key, held in enumerate(vectors)])
    if sealed:
        client.flush(name)
    elements = [
        (float((v.astype(np.float64) ** 2).sum()), key, at)
        for key, held in enumerate(vectors)
        for at, v in enumerate(held)
    ]
    groups: dict[int, list[tuple[int, int]]] = {}
    for _, key, at in sorted(elements):
        groups.setdefault(key, []).append((key, at))
    options = {"group_by_field": "id", "group_size": 3, "strict_group_size": True}
    (hits,) = client.search(name, [[0.0] * 4], limit=8, anns_field="s[v]", **options)
    expected = [pair for group in list(groups.values())[:8] for pair in group[:3]]
    assert [(hit["id"], hit["offset"]) for hit in hits] == expected


# --- how deep is looked ---


@pytest.mark.parametrize("rows_counted", [1, 10**9])
@pytest.mark.parametrize("most_hits", [100, 10**9])
@pytest.mark.parametrize("strict", [False, True])
def test_the_answer_does_not_depend_on_how_groups_are_looked_for(
    client: MilvusClient, flat: Rows, rows_counted: int, most_hits: int, strict: bool
) -> None:
    options = {"group_by_field": "color", "group_size": 4, "strict_group_size": strict}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(grouping, "ROWS_COUNTED", rows_counted)
        patched.setattr(grouping, "MOST_HITS", most_hits)
        answers = search(client, flat, limit=12, filter="pick != 5", **options)
    for query, hits in zip(flat.queries, answers, strict=True):
        ranked = flat.ranked(query, lambda row: row["pick"] != 5)
        assert_groups(hits, groups_of(ranked, FIELDS["color"], 12), 4, strict=strict)
