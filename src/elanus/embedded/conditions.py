"""``if_match``: the versions that an upsert expects, put where pymilvus forwards them unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

IF_MATCH = "if_match"


def with_condition(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return an upsert's options with ``if_match`` as an entry of ``field_ops``, which makes the upsert partial.

    if_match  the version of each row as a read returned it, 0 or None for a row that must not exist; a number for one
    """
    passed = dict(options)
    versions: int | Sequence[int | None] | None = passed.pop(IF_MATCH, None)
    if versions is None:
        return passed
    listed = [versions] if isinstance(versions, int) else list(versions)
    condition = f"$version in {json.dumps(listed)}"
    return {**passed, "field_ops": {**(passed.get("field_ops") or {}), condition: "array_append"}}
