"""Which writes a read must see, from the levels and guarantee timestamps of requests."""

from __future__ import annotations

from typing import Any

from elanus.engine.search import Consistency
from elanus.model.errors import InvalidParameter
from elanus.model.types import Level


def parse_consistency(request: Any) -> Consistency:
    """Return which writes a read must see; explains the guarantee timestamps that older clients send alone."""
    guarantee = request.guarantee_timestamp
    if request.use_default_consistency:
        return Consistency(None, guarantee)
    level = parse_level(request.consistency_level)
    if level is Level.STRONG and guarantee:
        legacy = {1: Level.EVENTUALLY, 2: Level.BOUNDED}
        level = legacy.get(guarantee, Level.CUSTOMIZED)
    named = level in (Level.SESSION, Level.CUSTOMIZED)
    return Consistency(level, guarantee if named else 0)


def parse_level(number: int) -> Level:
    """Return the consistency level of a number on the wire."""
    try:
        return Level(number)
    except ValueError:
        raise InvalidParameter(f"consistency level {number} should be in range [0, 4]") from None
