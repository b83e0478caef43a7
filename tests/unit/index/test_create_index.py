from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from elanus.index import INDEX_KINDS, ResolvedIndex, build_params, index_field, resolve
from elanus.index.unavailable import VECTOR_TYPES
from elanus.model.errors import ElanusError, InvalidParameter, MissingParameter, ParameterTooLarge
from elanus.model.ids import FieldId, IndexId
from elanus.model.manifest import IndexInfo
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType, Metric

FLOAT = Field(id=FieldId(101), name="vec", type=DataType.FLOAT_VECTOR, dim=8)
HALF = Field(id=FieldId(102), name="half", type=DataType.FLOAT16_VECTOR, dim=8)
BINARY = Field(id=FieldId(103), name="bits", type=DataType.BINARY_VECTOR, dim=8)
SPARSE = Field(id=FieldId(104), name="sparse", type=DataType.SPARSE_FLOAT_VECTOR)
INT8 = Field(id=FieldId(105), name="bytes", type=DataType.INT8_VECTOR, dim=8)
NUMBER = Field(id=FieldId(106), name="n", type=DataType.INT64)
TEXT = Field(id=FieldId(107), name="text", type=DataType.TEXT)
POINT = Field(id=FieldId(108), name="point", type=DataType.GEOMETRY)
WORDS = Field(id=FieldId(111), name="words", type=DataType.VARCHAR)
JSON = Field(id=FieldId(109), name="doc", type=DataType.JSON)
OTHER = Field(id=FieldId(120), name="other", type=DataType.JSON)
META = Field(id=FieldId(110), name="$meta", type=DataType.JSON, is_dynamic=True)


def wanted(field: Field, name: str = "", existing: Sequence[IndexInfo] = (), /, **params: Any) -> ResolvedIndex:
    return resolved(field, name, {key.replace("__", "."): str(value) for key, value in params.items()}, existing)


def resolved(field: Field, name: str, params: Any, existing: Sequence[IndexInfo]) -> ResolvedIndex:
    return resolve(Schema((field, OTHER)), field.name, name, params, existing)


def recorded(made: ResolvedIndex, field: Field, number: int = 1) -> IndexInfo:
    return IndexInfo(
        id=IndexId(number),
        name=made.name,
        field=field.id,
        kind=made.kind,
        metric=made.metric,
        params=made.params,
        json_path=made.json_path,
    )


# --- what is accepted ---


@pytest.mark.parametrize(
    ("field", "kind", "metric"),
    [
        (FLOAT, "HNSW", Metric.COSINE),
        (HALF, "HNSW", Metric.COSINE),
        (INT8, "HNSW", Metric.COSINE),
        (BINARY, "BIN_FLAT", Metric.HAMMING),
        (SPARSE, "SPARSE_INVERTED_INDEX", Metric.IP),
        (NUMBER, "AUTOINDEX", None),
        (POINT, "RTREE", None),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
@pytest.mark.parametrize("params", [{}, {"index_type": "AUTOINDEX"}, {"index_type": ""}], ids=str)
def test_autoindex_picks_a_kind_and_metric_and_says_autoindex(
    field: Field, kind: str, metric: Metric | None, params: dict[str, str]
) -> None:
    found = wanted(field, **params)
    assert (found.name, found.kind, found.metric, found.existing) == (field.name, kind, metric, None)
    spelled = () if metric is None else (("metric_type", metric.value),)
    assert found.params == (("index_type", "AUTOINDEX"), *spelled)


def test_autoindex_takes_the_users_metric() -> None:
    found = wanted(FLOAT, index_type="AUTOINDEX", metric_type="L2")
    assert (found.kind, found.metric) == ("HNSW", Metric.L2)
    assert found.params == (("index_type", "AUTOINDEX"), ("metric_type", "L2"))


def test_a_named_kind_is_echoed_as_the_user_wrote_it() -> None:
    pairs = (("M", "16"), ("index_type", "HNSW"), ("metric_type", "IP"), ("efConstruction", "100"), ("own", "x"))
    found = resolved(FLOAT, "named", pairs, ())
    assert (found.name, found.kind, found.metric, found.params) == ("named", "HNSW", Metric.IP, pairs)


def test_parameters_may_come_inside_json() -> None:
    nested = json.dumps({"M": 12, "efConstruction": "77"})
    found = wanted(FLOAT, index_type="HNSW", metric_type="L2", params=nested)
    assert found.params[-1] == ("params", nested)
    assert build_params(recorded(found, FLOAT)) == INDEX_KINDS["HNSW"].build_params.parse(
        {"M": 12, "efConstruction": 77}
    )


def test_index_type_and_metric_may_come_inside_json_too() -> None:
    found = wanted(FLOAT, params='{"index_type": "FLAT", "metric_type": "L2"}')
    assert (found.kind, found.metric) == ("FLAT", Metric.L2)


def test_a_null_inside_json_means_the_default() -> None:
    wanted(FLOAT, index_type="HNSW", metric_type="L2", params='{"M": null}')


def test_autoindex_builds_with_its_preset_and_hnsw_with_its_defaults() -> None:
    auto = build_params(recorded(wanted(FLOAT), FLOAT))
    own = build_params(recorded(wanted(FLOAT, index_type="HNSW", metric_type="L2"), FLOAT))
    assert auto == INDEX_KINDS["HNSW"].build_params.parse({"M": 16, "efConstruction": 200})
    assert own == INDEX_KINDS["HNSW"].build_params.parse({"M": 30, "efConstruction": 360})


@pytest.mark.parametrize("kind", list(INDEX_KINDS), ids=lambda kind: kind.name)
def test_every_kind_can_be_created_on_every_field_it_declares(kind: Any) -> None:
    by_type = {field.type: field for field in (FLOAT, HALF, BINARY, SPARSE, INT8, NUMBER)}
    for data_type in kind.fields & by_type.keys():
        for metric in kind.metrics[data_type]:
            found = wanted(by_type[data_type], index_type=kind.name, metric_type=metric)
            assert (found.kind, found.metric) == (kind.name, metric)


@pytest.mark.parametrize("name", ["a", "_", "struct[sub]", "a" * 255, "  padded "])
def test_index_names_that_pass(name: str) -> None:
    assert wanted(FLOAT, name).name == name.strip()


@pytest.mark.parametrize("name", ["", "   "])
def test_an_empty_name_is_the_fields_name(name: str) -> None:
    assert wanted(FLOAT, name).name == "vec"


# --- what is refused ---

GRAMS = {"index_type": "NGRAM", "min_gram": "2", "max_gram": "3"}
HNSW = {"index_type": "HNSW", "metric_type": "COSINE"}
SQ = {"index_type": "HNSW_SQ", "metric_type": "COSINE"}
REFINE_TYPES = "invalid refine type : {}, optional types are [sq4u, sq6, sq8, fp16, bf16, fp32, flat]"
REFUSED: list[tuple[Field, dict[str, str], type[ElanusError], str]] = [
    (FLOAT, {"index_type": "NOPE", "metric_type": "L2"}, InvalidParameter, "invalid index type: NOPE"),
    (
        FLOAT,
        {"index_type": "NOPE", "metric_type": "L2"},
        InvalidParameter,
        "invalid parameter[expected=valid index][actual=invalid index type: NOPE]",
    ),
    (FLOAT, {"index_type": "hnsw", "metric_type": "L2"}, InvalidParameter, "invalid index type: hnsw"),
    (NUMBER, {"index_type": "NOPE"}, InvalidParameter, "invalid index type: NOPE"),
    (FLOAT, {"index_type": "HNSW"}, InvalidParameter, "metric type not set for vector index"),
    (
        FLOAT,
        {"index_type": "HNSW", "metric_type": "HAMMING"},
        InvalidParameter,
        "float vector index does not support metric type: HAMMING",
    ),
    (FLOAT, {"metric_type": "l2"}, InvalidParameter, "float vector index does not support metric type: l2"),
    (BINARY, {"metric_type": "L2"}, InvalidParameter, "binary vector index does not support metric type: L2"),
    (INT8, {"metric_type": "JACCARD"}, InvalidParameter, "int vector index does not support metric type: JACCARD"),
    (SPARSE, {"metric_type": "L2"}, InvalidParameter, "only IP&BM25 is the supported metric type for sparse index"),
    (SPARSE, {"metric_type": "BM25"}, InvalidParameter, "only BM25 Function output field support BM25 metric type"),
    (
        FLOAT,
        {"index_type": "BIN_FLAT", "metric_type": "L2"},
        InvalidParameter,
        "data type FloatVector can't build with this index BIN_FLAT",
    ),
    (
        BINARY,
        {"index_type": "IVF_FLAT", "metric_type": "JACCARD"},
        InvalidParameter,
        "data type BinaryVector can't build with this index IVF_FLAT",
    ),
    (
        FLOAT,
        {"index_type": "INVERTED", "metric_type": "L2"},
        InvalidParameter,
        "INVERTED are not supported on FloatVector field",
    ),
    (NUMBER, HNSW, InvalidParameter, "index HNSW only supports vector data type"),
    (NUMBER, HNSW, InvalidParameter, "data type Int64 can't build with this index HNSW"),
    (NUMBER, {"index_type": "DISKANN"}, InvalidParameter, "index DISKANN only supports vector data type"),
    (TEXT, {}, InvalidParameter, "TEXT field does not support user-created scalar index"),
    (POINT, {"index_type": "INVERTED"}, InvalidParameter, "INVERTED are not supported on Geometry field"),
    (NUMBER, {"index_type": "RTREE"}, InvalidParameter, "RTREE index can only be built on geometry field"),
    (NUMBER, GRAMS, InvalidParameter, "Ngram index can only be created on VARCHAR or JSON field"),
    (WORDS, {"index_type": "NGRAM"}, InvalidParameter, "Ngram index must specify both min_gram and max_gram"),
    (WORDS, GRAMS | {"max_gram": "1"}, InvalidParameter, "invalid min_gram or max_gram value"),
    (WORDS, GRAMS | {"min_gram": "0"}, InvalidParameter, "min_gram: 0, max_gram: 3"),
    (WORDS, GRAMS | {"min_gram": "two"}, InvalidParameter, "min_gram for Ngram index must be an integer, got: two"),
    (WORDS, GRAMS | {"max_gram": "3.0"}, InvalidParameter, "max_gram for Ngram index must be an integer, got: 3.0"),
    (WORDS, GRAMS | {"max_gram": str(2**31)}, InvalidParameter, "invalid min_gram or max_gram value"),
    (JSON, GRAMS | {"json_cast_type": "DOUBLE"}, InvalidParameter, "json_cast_type DOUBLE is not supported for NGRAM"),
    (FLOAT, {"M": "16"}, InvalidParameter, "only metric type can be passed when use AutoIndex"),
    (
        FLOAT,
        {"index_type": "AUTOINDEX", "metric_type": "L2", "params": '{"nlist": 4}'},
        InvalidParameter,
        "only metric type can be passed when use AutoIndex",
    ),
    (FLOAT, SQ | {"sq_type": "FP32"}, InvalidParameter, "invalid scalar quantizer type"),
    (FLOAT, SQ | {"refine_type": "INT8"}, InvalidParameter, REFINE_TYPES.format("INT8")),
    (FLOAT, SQ | {"refine": "true", "refine_type": "SQ8"}, InvalidParameter, REFINE_TYPES.format("SQ8")),
    (FLOAT, SQ | {"refine": "true", "refine_type": "SQ6"}, InvalidParameter, REFINE_TYPES.format("SQ6")),
    (
        FLOAT,
        SQ | {"sq_type": "BF16", "refine": "true", "refine_type": "FP16"},
        InvalidParameter,
        "invalid refine type : FP16",
    ),
    (FLOAT, SQ | {"refine": "perhaps"}, InvalidParameter, "wrong data type in json, key: 'refine', value: 'perhaps'"),
    (FLOAT, SQ | {"M": "1"}, InvalidParameter, "Out of range in json: param 'M' (1) should be in range [2, 2048]"),
    (
        BINARY,
        SQ | {"metric_type": "HAMMING"},
        InvalidParameter,
        "BinaryVector can't build with this index HNSW_SQ",
    ),
    (FLOAT, HNSW | {"M": "1"}, InvalidParameter, "Out of range in json: param 'M' (1) should be in range [2, 2048]"),
    (FLOAT, HNSW | {"M": "16.0"}, InvalidParameter, "wrong data type in json"),
    (FLOAT, HNSW | {"M": "True"}, InvalidParameter, "invalid integer value, key: 'M', value: 'True'"),
    (FLOAT, HNSW | {"M": "[16]"}, InvalidParameter, "invalid integer value, key: 'M', value: '[16]'"),
    (
        FLOAT,
        HNSW | {"efConstruction": "0"},
        InvalidParameter,
        "param 'efConstruction' (0) should be in range [1, 2147483647]",
    ),
    (
        FLOAT,
        {"index_type": "IVF_FLAT", "metric_type": "L2", "nlist": "65537"},
        InvalidParameter,
        "param 'nlist' (65537) should be in range [1, 65536]",
    ),
    (
        SPARSE,
        {"index_type": "SPARSE_WAND", "metric_type": "IP", "drop_ratio_build": "1"},
        InvalidParameter,
        "Out of range in json: param 'drop_ratio_build' (1.0) should be in range [0, 1)",
    ),
    (
        SPARSE,
        {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "IP", "inverted_index_algo": "X"},
        InvalidParameter,
        "sparse inverted index algo X not found or not supported",
    ),
    (
        FLOAT,
        HNSW | {"mmap.enabled": "maybe"},
        InvalidParameter,
        "invalid mmap.enabled value: maybe, expected: true, false",
    ),
    (
        NUMBER,
        {"index_type": "STL_SORT", "mmap.enabled": "true"},
        InvalidParameter,
        "index type STL_SORT does not support mmap",
    ),
    (
        POINT,
        {"index_type": "RTREE", "mmap.enabled": "True"},
        InvalidParameter,
        "index type RTREE does not support mmap",
    ),
    (FLOAT, HNSW | {"params": "[1]"}, InvalidParameter, "index params should be a JSON object"),
    (FLOAT, HNSW | {"params": "{"}, InvalidParameter, "index params should be a JSON object"),
    (FLOAT, HNSW | {"M": "16", "params": '{"M": 8}'}, InvalidParameter, "duplicated index param (key=M) (value=8)"),
    (FLOAT, HNSW | {"own": "x" * 102_400}, ParameterTooLarge, "exceed the limit of 102400 bytes"),
    (JSON, {}, MissingParameter, "json index must specify cast type"),
    (JSON, {"json_cast_type": "BLOB"}, InvalidParameter, "json_cast_type BLOB is not supported"),
]


@pytest.mark.parametrize(("field", "params", "error", "phrase"), REFUSED, ids=lambda value: str(value)[:40])
def test_refusals_speak_milvus_words(
    field: Field, params: dict[str, str], error: type[ElanusError], phrase: str
) -> None:
    with pytest.raises(error) as caught:
        resolved(field, "", params, ())
    assert phrase in caught.value.reason


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sq_type": "sq4u", "refine": "true", "refine_type": "fp16"},
        {"sq_type": "SQ8", "refine": "true", "refine_type": "FLAT"},
        {"sq_type": "SQ6", "refine": "True", "refine_type": "SQ8"},
        {"sq_type": "BF16", "refine": "false", "refine_type": "SQ6"},
        {"sq_type": "FP16", "refine": "true"},
    ],
)
def test_quantizers_and_what_refines_them_are_taken_in_any_case_and_echoed(params: dict[str, str]) -> None:
    found = wanted(FLOAT, **SQ, **params)
    assert found.kind == "HNSW_SQ"
    assert params.items() <= dict(found.params).items()
    build_params(recorded(found, FLOAT))


@pytest.mark.parametrize("index_type", sorted(VECTOR_TYPES))
def test_types_that_are_not_here_yet_say_so_and_name_those_that_are(index_type: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        wanted(FLOAT, index_type=index_type, metric_type="L2")
    for phrase in (f"invalid index type: {index_type}", "not available yet", *INDEX_KINDS.names()):
        assert phrase in caught.value.reason


@pytest.mark.parametrize("name", ["1a", "a-b", "a b", "é", "$a", "a" * 256, "[a]"])
def test_bad_names_are_named(name: str) -> None:
    with pytest.raises(InvalidParameter, match="Invalid index name: ") as caught:
        wanted(FLOAT, name)
    assert name in caught.value.reason


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="duplicated index param"):
        resolved(FLOAT, "", [("M", "1"), ("M", "2")], ())


# --- beside other indexes ---


def test_the_same_index_again_is_the_same_index() -> None:
    first = recorded(wanted(FLOAT, index_type="HNSW", metric_type="L2", M="16"), FLOAT)
    for params in (
        {"index_type": "HNSW", "metric_type": "L2", "M": "16"},
        {"M": "16", "metric_type": "L2", "index_type": "HNSW"},
        {"index_type": "HNSW", "metric_type": "L2", "params": '{"M": 16}'},
        {"index_type": "HNSW", "metric_type": "L2", "M": "16", "mmap.enabled": "true"},
    ):
        assert resolved(FLOAT, "", params, (first,)).existing is first


def test_autoindex_again_is_the_same_index_with_its_default_metric_spelled_or_not() -> None:
    first = recorded(wanted(FLOAT), FLOAT)
    assert wanted(FLOAT, "vec", (first,), index_type="AUTOINDEX", metric_type="COSINE").existing is first


@pytest.mark.parametrize(
    "params",
    [
        {"index_type": "HNSW", "metric_type": "L2", "M": "17"},
        {"index_type": "HNSW", "metric_type": "IP", "M": "16"},
        {"index_type": "FLAT", "metric_type": "L2"},
        {"index_type": "AUTOINDEX"},
    ],
    ids=str,
)
def test_another_index_of_that_name_is_refused(params: dict[str, str]) -> None:
    first = recorded(wanted(FLOAT, index_type="HNSW", metric_type="L2", M="16"), FLOAT)
    with pytest.raises(InvalidParameter, match="at most one distinct index is allowed per field"):
        resolved(FLOAT, "", params, (first,))


def test_the_name_of_another_fields_index_is_refused() -> None:
    first = recorded(wanted(FLOAT, "taken"), FLOAT)
    with pytest.raises(InvalidParameter, match="at most one distinct index is allowed per field"):
        wanted(HALF, "taken", (first,))


def test_a_second_index_on_a_field_is_refused_under_any_other_name() -> None:
    first = recorded(wanted(FLOAT), FLOAT)
    phrase = "CreateIndex failed: creating multiple indexes on same field is not supported"
    with pytest.raises(InvalidParameter, match=phrase):
        wanted(FLOAT, "other", (first,))


def test_other_fields_indexes_do_not_disturb() -> None:
    assert wanted(HALF, "", (recorded(wanted(FLOAT), FLOAT),)).existing is None


def test_json_fields_take_an_index_for_each_path() -> None:
    first = recorded(wanted(JSON, json_cast_type="double", json_path='doc["a"]'), JSON)
    assert (first.json_path, first.name) == ('doc["a"]', 'doc["a"]')
    assert wanted(JSON, "", (first,), json_cast_type="double", json_path='doc["a"]').existing is first
    second = wanted(JSON, "b", (first,), json_cast_type="VARCHAR", json_path='doc["b"]')
    assert (second.existing, second.json_path) == (None, 'doc["b"]')
    with pytest.raises(InvalidParameter, match="creating multiple indexes on same field is not supported"):
        wanted(JSON, "c", (first,), json_cast_type="VARCHAR", json_path='doc["a"]')


# --- the field ---


def test_the_field_is_found_by_name() -> None:
    schema = Schema((FLOAT, META))
    assert index_field(schema, "vec") is FLOAT
    assert index_field(schema, "key", {"json_cast_type": "BOOL"}) is META
    for name, params in (("nope", {}), ("nope", {"index_type": "HNSW"})):
        with pytest.raises(InvalidParameter, match="cannot create index on non-exist field: nope"):
            index_field(schema, name, params)
