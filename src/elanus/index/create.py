"""CreateIndex's judgement: from what a user wrote to the kind that builds it, or an error in Milvus' words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from elanus.index.auto import PRESETS, suitable_kind
from elanus.index.base import INDEX_KINDS, IndexKind
from elanus.index.dense.column_graphs import COLUMN_GRAPHS, check_fields, spelled
from elanus.index.families import BINARY_METRICS, FLOAT_METRICS, SPARSE_METRICS
from elanus.index.operands import indexed_operand, json_operand
from elanus.index.scalar.bitmap import AUTOINDEX
from elanus.index.scalar.casts import Cast
from elanus.index.unavailable import VECTOR_TYPES, invalid_type
from elanus.model import limits
from elanus.model.errors import InvalidParameter, MissingParameter, ParameterTooLarge
from elanus.model.manifest import IndexInfo
from elanus.model.names import check_index_name
from elanus.model.params import Params
from elanus.model.schema import Field, Pairs, Schema
from elanus.model.types import METRIC_ALIASES, DataType, Metric

INDEX_TYPE: Final = "index_type"
METRIC_TYPE: Final = "metric_type"
NESTED: Final = "params"
JSON_PATH: Final = "json_path"
JSON_CAST_TYPE: Final = "json_cast_type"
JSON_CAST_FUNCTION: Final = "json_cast_function"
MMAP_ENABLED: Final = "mmap.enabled"
WARMUP: Final = "warmup"
OFFSET_CACHE: Final = "indexoffsetcache.enabled"
STRING_TO_DOUBLE: Final = "STRING_TO_DOUBLE"

PROPERTIES: Final = frozenset({MMAP_ENABLED, WARMUP, OFFSET_CACHE})
"""Keys that say how an index is kept rather than what it is: they may change, and two indexes may differ in them."""

_Extra = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedIndex:
    """What CreateIndex is to record.

    kind      the registered kind, AUTOINDEX resolved
    metric    None for a scalar index
    params    what describe echoes: what the user passed, with AUTOINDEX and its metric spelled out
    existing  the index that is already there and equal, None when a new one is to be made
    """

    name: str
    field: Field
    kind: str
    metric: Metric | None
    params: Pairs
    json_path: str = ""
    existing: IndexInfo | None = None


def index_field(schema: Schema, field_name: str, extra_params: _Extra = ()) -> Field:
    """Return the field that CreateIndex names; a key of the dynamic field when JSON parameters say so.

    raises  InvalidParameter when there is none
    """
    field = schema.find(field_name)
    if field is None and schema.dynamic is not None and {JSON_PATH, JSON_CAST_TYPE} & flattened(extra_params).keys():
        field = schema.dynamic
    if field is None:
        raise InvalidParameter(f"cannot create index on non-exist field: {field_name}")
    return field


def resolve(
    schema: Schema, field_name: str, index_name: str, extra_params: _Extra, existing: Sequence[IndexInfo]
) -> ResolvedIndex:
    """Return what the request asks for, checked.

    index_name    empty for the default, the field's name or the JSON path
    extra_params  key-value pairs as they came: index_type, metric_type, build parameters, flat or as JSON in "params"
    existing      the collection's indexes
    raises        InvalidParameter, MissingParameter, ParameterTooLarge as Milvus does
    """
    field = index_field(schema, field_name, extra_params)
    pairs = _pairs(extra_params)
    name = _checked_name(index_name)
    given = flattened(pairs)
    _check_properties(given)
    if field.type.is_vector:
        kind, metric = _vector_kind(field, given)
        path = ""
        if COLUMN_GRAPHS in kind.build_params.wire_names():
            _check_column_graphs(schema, field, given)
    else:
        kind, metric = _scalar_kind(field, given), None
        path = _json_path(schema, field, field_name, kind, given)
    _check_mmap(kind, given)
    _parse_build(kind, given)
    wanted = ResolvedIndex(
        name=name or path or field.name,
        field=field,
        kind=kind.name,
        metric=metric,
        params=_echo(pairs, given, metric),
        json_path=path,
    )
    return _beside(schema, existing, wanted)


def build_params(index: IndexInfo) -> Params:
    """Return the parameters to build an index with: what its creator passed, AUTOINDEX's preset, defaults elsewhere."""
    return _parse_build(INDEX_KINDS[index.kind], flattened(index.params))


def flattened(extra_params: _Extra) -> dict[str, Any]:
    """Return the parameters by key, those inside the JSON object "params" beside the others.

    raises  InvalidParameter for a key given twice, or a "params" that isn't a JSON object
    """
    given: dict[str, Any] = {}
    for key, value in _pairs(extra_params):
        for inner, item in _nested(value).items() if key == NESTED else ((key, value),):
            if inner in given and str(given[inner]) != str(item):
                raise InvalidParameter(f"duplicated index param (key={inner}) (value={item}) found")
            given[inner] = item
    return {key: value for key, value in given.items() if value is not None}


def _pairs(extra_params: _Extra) -> Pairs:
    """Return the pairs in order; InvalidParameter when one key comes twice, ParameterTooLarge past the limit."""
    pairs = tuple(extra_params.items() if isinstance(extra_params, Mapping) else extra_params)
    seen: set[str] = set()
    for key, value in pairs:
        if key in seen:
            raise InvalidParameter(f"duplicated index param (key={key}) (value={value}) found")
        seen.add(key)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in pairs)
    if size > limits.INDEX_PARAM_BYTES:
        raise ParameterTooLarge(f"index params of {size} bytes exceed the limit of {limits.INDEX_PARAM_BYTES} bytes")
    return pairs


def _nested(text: str) -> dict[str, Any]:
    try:
        values = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise InvalidParameter(f"index params should be a JSON object, got: {text}")
    return values


def _check_column_graphs(schema: Schema, field: Field, given: dict[str, Any]) -> None:
    if field.struct and COLUMN_GRAPHS in given:
        raise InvalidParameter(f"{COLUMN_GRAPHS} can't be beside an index on {field.name}, a sub-field of structs")
    check_fields(schema, given)


# --- the kind ---


def _vector_kind(field: Field, given: dict[str, Any]) -> tuple[IndexKind, Metric]:
    """Return kind and metric for a vector field, checked in Milvus' order: metric, type, whether they go together."""
    index_type = str(given.get(INDEX_TYPE, ""))
    if index_type in ("", AUTOINDEX):
        return _auto_vector_kind(field, given)
    if METRIC_TYPE not in given:
        raise InvalidParameter("metric type not set for vector index")
    metric = _metric(field, str(given[METRIC_TYPE]))
    registered = _find(index_type)
    if registered is not None and registered.family == "scalar":
        raise InvalidParameter(f"{index_type} are not supported on {field.type.label} field")
    kind = _registered(index_type)
    if field.vector_type not in kind.fields:
        raise InvalidParameter(f"data type {field.type.label} can't build with this index {index_type}")
    return kind, metric


def _auto_vector_kind(field: Field, given: dict[str, Any]) -> tuple[IndexKind, Metric]:
    kind = suitable_kind(field.vector_type)
    if given.keys() - {INDEX_TYPE, METRIC_TYPE, *_auto_params(kind)}:
        raise InvalidParameter("only metric type can be passed when use AutoIndex")
    if kind is None:
        raise InvalidParameter(f"data type {field.type.label} can't build with this index {AUTOINDEX}")
    return kind, _metric(field, str(given.get(METRIC_TYPE) or _default_metric(kind, field)))


def _default_metric(kind: IndexKind, field: Field) -> Metric | None:
    """Return the metric when none is given: of lists for the vectors of structs."""
    metric = kind.default_metric(field.vector_type)
    return metric.of_lists if metric is not None and field.type is DataType.ARRAY_OF_VECTOR else metric


def _auto_params(kind: IndexKind | None) -> frozenset[str]:
    """Return the build parameters that AUTOINDEX takes: what no index can know by itself."""
    return frozenset() if kind is None else frozenset({COLUMN_GRAPHS} & kind.build_params.wire_names().keys())


def _scalar_kind(field: Field, given: dict[str, Any]) -> IndexKind:
    index_type = str(given.get(INDEX_TYPE) or AUTOINDEX)
    if field.type is DataType.TEXT:
        raise InvalidParameter("TEXT field does not support user-created scalar index")
    registered = _find(index_type)
    if index_type in VECTOR_TYPES or (registered is not None and registered.family == "vector"):
        mismatch = f"data type {field.type.label} can't build with this index {index_type}"
        raise InvalidParameter(f"index {index_type} only supports vector data type: {mismatch}")
    suitable = suitable_kind(field.type) if index_type == AUTOINDEX else None
    kind = suitable or _registered(index_type)
    if field.is_primary and not kind.primary_keys:
        raise InvalidParameter(f"create {kind.name.lower()} index on primary key not supported")
    if not _serves(kind, field):
        refusal = kind.refusal.format(kind=index_type, type=_described(field))
        raise InvalidParameter.expected(refusal, expected="valid index params", actual="invalid index params")
    return kind


def _serves(kind: IndexKind, field: Field) -> bool:
    if field.type is not DataType.ARRAY:
        return field.type in kind.fields
    return field.element_type in (kind.struct_elements if field.struct else kind.elements)


def _described(field: Field) -> str:
    """Return a field's type in words."""
    return f"Array of {field.element_type.label}" if field.type is DataType.ARRAY else field.type.label


def _find(index_type: str) -> IndexKind | None:
    """Return the kind of exactly that name; Milvus' names know upper and lower case."""
    return next((kind for kind in INDEX_KINDS if index_type in kind.names), None)


def _registered(index_type: str) -> IndexKind:
    kind = _find(index_type)
    if kind is None:
        raise invalid_type(index_type)
    return kind


def _metric(field: Field, text: str) -> Metric:
    """Return the metric; InvalidParameter, in the words of the field's family, when it isn't one of that family."""
    family, metrics = _FAMILIES[field.vector_type]
    if field.type is DataType.ARRAY_OF_VECTOR:
        metrics = (*metrics, *(metric.of_lists for metric in metrics))
    metric = next((metric for metric in metrics if metric == METRIC_ALIASES.get(text, text)), None)
    if metric is not None:
        return metric
    if field.type is not DataType.SPARSE_FLOAT_VECTOR:
        names = " ".join(metrics)
        raise InvalidParameter(f"{family} vector index does not support metric type: {text}, supported: [{names}]")
    if text == "BM25":
        raise InvalidParameter("only BM25 Function output field support BM25 metric type")
    raise InvalidParameter(f"only IP&BM25 is the supported metric type for sparse index, got {text}")


_FAMILIES: Final[Mapping[DataType, tuple[str, tuple[Metric, ...]]]] = {
    DataType.FLOAT_VECTOR: ("float", FLOAT_METRICS),
    DataType.FLOAT16_VECTOR: ("float", FLOAT_METRICS),
    DataType.BFLOAT16_VECTOR: ("float", FLOAT_METRICS),
    DataType.INT8_VECTOR: ("int", FLOAT_METRICS),
    DataType.BINARY_VECTOR: ("binary", BINARY_METRICS),
    DataType.SPARSE_FLOAT_VECTOR: ("sparse", SPARSE_METRICS),
}


# --- parameters ---


def _parse_build(kind: IndexKind, given: dict[str, Any]) -> Params:
    chosen = given.get(INDEX_TYPE, "") not in ("", AUTOINDEX) or kind.family == "scalar"
    if chosen:
        return kind.build_params.parse(given)
    passed = {name: given[name] for name in _auto_params(kind) if name in given}
    return kind.build_params.parse({**PRESETS.get(kind.name, {}), **passed})


def _check_properties(given: dict[str, Any]) -> None:
    for key in (MMAP_ENABLED, OFFSET_CACHE):
        value = given.get(key, "true")
        if str(value).lower() not in ("true", "false"):
            raise InvalidParameter(f"invalid {key} value: {value}, expected: true, false")


def _check_mmap(kind: IndexKind, given: dict[str, Any]) -> None:
    """Refuse to map what Milvus does not; AUTOINDEX may always be asked to."""
    asked = str(given.get(MMAP_ENABLED)).lower() == "true"
    if asked and not kind.mmap and (given.get(INDEX_TYPE) or AUTOINDEX) != AUTOINDEX:
        raise InvalidParameter(f"index type {kind.name} does not support mmap")


def _json_path(schema: Schema, field: Field, field_name: str, kind: IndexKind, given: dict[str, Any]) -> str:
    """Return the path that an index on a JSON field covers, the field that was named by default; "" elsewhere."""
    if field.type is not DataType.JSON:
        return ""
    _check_cast(kind, given)
    path = str(given.get(JSON_PATH) or field_name)
    json_operand(schema, field, path)
    return path


def _check_cast(kind: IndexKind, given: dict[str, Any]) -> None:
    """Refuse a type that the kind can't index a path as."""
    if JSON_CAST_TYPE not in given:
        raise MissingParameter("json index must specify cast type")
    cast = str(given[JSON_CAST_TYPE])
    if cast.upper() not in list(Cast):
        raise InvalidParameter(f"json_cast_type {cast} is not supported, supported: [{' '.join(Cast)}]")
    if cast.upper() not in kind.casts:
        raise InvalidParameter(
            f"json_cast_type {cast} is not supported for {kind.name} index, supported: [{' '.join(kind.casts)}]; "
            "an INVERTED index takes every type"
        )
    function = str(given.get(JSON_CAST_FUNCTION) or STRING_TO_DOUBLE)
    if function != STRING_TO_DOUBLE:
        raise InvalidParameter(f"json_cast_function {function} is not supported, supported: [{STRING_TO_DOUBLE}]")
    if JSON_CAST_FUNCTION in given and cast.upper() != Cast.DOUBLE:
        raise InvalidParameter(f"json_cast_function {function} is not supported for json_cast_type {cast}")


def _echo(pairs: Pairs, given: dict[str, Any], metric: Metric | None) -> Pairs:
    if given.get(INDEX_TYPE, "") not in ("", AUTOINDEX):
        return pairs
    others = tuple(pair for pair in pairs if pair[0] not in (INDEX_TYPE, METRIC_TYPE, NESTED))
    if metric is not None and COLUMN_GRAPHS in given:
        others = (*(pair for pair in others if pair[0] != COLUMN_GRAPHS), *_spelled_columns(given))
    nested = tuple(pair for pair in pairs if pair[0] == NESTED and metric is None)
    spelled = () if metric is None else ((METRIC_TYPE, metric.value),)
    return ((INDEX_TYPE, AUTOINDEX), *spelled, *others, *nested)


def _spelled_columns(given: dict[str, Any]) -> Pairs:
    """Return the fields of column graphs as a pair of their own, wherever they were written."""
    return ((COLUMN_GRAPHS, str(spelled(given)[COLUMN_GRAPHS])),)


# --- names, and what is already there ---


def _checked_name(name: str) -> str:
    """Return the name without surrounding spaces; empty asks for the default."""
    check_index_name(name)
    return name.strip()


def _beside(schema: Schema, existing: Sequence[IndexInfo], wanted: ResolvedIndex) -> ResolvedIndex:
    """Return ``wanted``, with the equal index when there is one; InvalidParameter when another stands in its way."""
    field = wanted.field
    for index in existing:
        same_place = index.field == field.id and _same_path(schema, field, index.json_path, wanted.json_path)
        if index.name == wanted.name:
            if same_place and _same_definition(index, wanted):
                return _taken(index, field)
            raise InvalidParameter(f"at most one distinct index is allowed per field, index {index.name} differs")
        if same_place:
            raise InvalidParameter(
                "CreateIndex failed: creating multiple indexes on same field is not supported, "
                f"field {field.name} has index {index.name}"
            )
    return wanted


def _same_path(schema: Schema, field: Field, one: str, other: str) -> bool:
    """Whether two paths lead to the same place, however they are written."""
    return one == other or indexed_operand(schema, field.id, one) == indexed_operand(schema, field.id, other)


def _taken(index: IndexInfo, field: Field) -> ResolvedIndex:
    return ResolvedIndex(
        name=index.name,
        field=field,
        kind=index.kind,
        metric=index.metric,
        params=index.params,
        json_path=index.json_path,
        existing=index,
    )


def _same_definition(index: IndexInfo, wanted: ResolvedIndex) -> bool:
    return (index.kind, index.metric) == (wanted.kind, wanted.metric) and _meaning(index.params) == _meaning(
        wanted.params
    )


def _meaning(params: Pairs) -> dict[str, str]:
    return {key: str(value) for key, value in flattened(params).items() if key not in PROPERTIES}
