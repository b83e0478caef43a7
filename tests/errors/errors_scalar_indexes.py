"""4.5 indexes on scalar fields."""

from __future__ import annotations

from typing import Any

from errors_stage import Stage, each


def _index(stage: Stage, field: str, kind: str, **params: Any) -> None:
    stage.index(stage.plain, field, index_type=kind, **params)


each(
    126,
    1100,
    ("TRIE are only supported on varchar field", lambda stage: _index(stage, "n", "Trie")),
    (
        "STL_SORT are only supported on numeric, varchar or timestamptz field",
        lambda stage: _index(stage, "a", "STL_SORT"),
    ),
    (
        "bitmap index are only supported on bool, int, string and array field",
        lambda stage: _index(stage, "f", "BITMAP"),
    ),
    ("create bitmap index on primary key not supported", lambda stage: _index(stage, "id", "BITMAP")),
    ("RTREE index can only be built on geometry field", lambda stage: _index(stage, "n", "RTREE")),
)
each(
    127,
    1100,
    (
        "gram index can only be created on VARCHAR or JSON field",
        lambda stage: _index(stage, "n", "NGRAM", min_gram=2, max_gram=3),
    ),
    (
        "invalid min_gram or max_gram value for Ngram index",
        lambda stage: _index(stage, "s", "NGRAM", min_gram=3, max_gram=2),
    ),
    (
        "min_gram for Ngram index must be an integer, got: x",
        lambda stage: _index(stage, "s", "NGRAM", min_gram="x", max_gram=2),
    ),
    (
        "Ngram index must specify both min_gram and max_gram",
        lambda stage: _index(stage, "s", "NGRAM", min_gram=2),
    ),
)
each(
    128,
    1101,
    ("json index must specify cast type", lambda stage: _index(stage, "j", "INVERTED", json_path='j["a"]')),
)
each(
    128,
    1100,
    (
        "json_cast_type complex is not supported",
        lambda stage: _index(stage, "j", "INVERTED", json_path='j["a"]', json_cast_type="complex"),
    ),
)
