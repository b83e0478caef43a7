"""What a search says of groups: key-value strings parsed once, with Milvus' limits and phrases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from elanus.engine.search import GroupBy
from elanus.model import limits
from elanus.model.errors import InvalidParameter
from elanus.model.types import DataType
from elanus.query.grouping.groups import GroupScorer
from elanus.server.grpc.keys import GROUP_BY_FIELD, GROUP_BY_FIELDS, ITERATOR, SEARCH_ITERATOR_V2
from elanus.server.grpc.pairs import parse_flag, parse_int

_JSON_TYPES: Final = {
    kind.label.lower(): kind
    for kind in (DataType.BOOL, DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64, DataType.VARCHAR)
}


def parse_group_by(pairs: Mapping[str, str]) -> GroupBy | None:
    """Return how hits are put in groups, None when they aren't; ``group_by_field`` counts where both are given.

    raises  InvalidParameter that names what is wrong
    """
    single = pairs.get(GROUP_BY_FIELD, "").strip()
    listed = (name.strip() for name in pairs.get(GROUP_BY_FIELDS, "").split(","))
    names = (single,) if single else tuple(name for name in listed if name)
    if not names:
        return None
    for key in (ITERATOR, SEARCH_ITERATOR_V2):
        if parse_flag(pairs, key):
            raise InvalidParameter("Not allowed to do groupBy when doing iteration")
    if len(set(names)) < len(names):
        raise InvalidParameter(f"duplicate group by fields: {', '.join(names)}")
    return GroupBy(
        fields=names,
        size=_size(pairs),
        strict=parse_flag(pairs, "strict_group_size"),
        json_path=pairs.get("json_path", "").strip(),
        json_type=_json_type(pairs.get("json_type", "").strip()),
        strict_cast=parse_flag(pairs, "strict_cast"),
        listed=not single,
    )


def parse_group_scorer(pairs: Mapping[str, str]) -> GroupScorer:
    """Return how the groups of a hybrid search are scored."""
    name = pairs.get("rank_group_scorer", "").strip() or GroupScorer.MAX
    try:
        return GroupScorer(name)
    except ValueError:
        listed = ", ".join(GroupScorer)
        raise InvalidParameter(f"input group scorer type: {name} is not supported, expected one of {listed}") from None


def _size(pairs: Mapping[str, str]) -> int:
    text = pairs.get("group_size", "")
    if not text:
        return 1
    size = parse_int("group_size", text)
    if size <= 0:
        raise InvalidParameter(f"input group size:{size} is negative")
    if size > limits.GROUP_SIZE:
        raise InvalidParameter(f"input group size:{size} exceeds configured max group size:{limits.GROUP_SIZE}")
    return size


def _json_type(name: str) -> DataType:
    if not name:
        return DataType.VARCHAR
    kind = _JSON_TYPES.get(name.lower())
    if kind is None:
        listed = ", ".join(known.label for known in _JSON_TYPES.values())
        raise InvalidParameter(f"json_type {name} is not supported, expected one of {listed}")
    return kind
