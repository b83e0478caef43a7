"""Operators of an upsert's fields, and the versions of a conditional one that come the same way.

A stock client forwards nothing of its own to an upsert of a collection without a dynamic field but the names in
``field_ops``. So the entry ``$version in [7, 0, null]`` says which version each stored row must have, in the order of
the rows; its operator says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pyarrow as pa

from elanus.ingest.array_ops import FieldOp
from elanus.model.columns import Column
from elanus.model.errors import InvalidParameter
from elanus.model.schema import VERSION

_EXPECTED = re.compile(re.escape(VERSION.name) + r"\s+in\s+(?P<versions>\[.*\])", re.DOTALL)


def parse_ops(entries: Iterable[Any]) -> tuple[dict[str, FieldOp], Column | None]:
    """Return the operators by field name, and the versions that the stored rows must have, None without any."""
    ops: dict[str, FieldOp] = {}
    versions: Column | None = None
    for entry in entries:
        name = entry.field_name
        match = _EXPECTED.fullmatch(name)
        if name in ops or (match and versions is not None):
            raise InvalidParameter(f'duplicate partial-update op for field "{name}"')
        if match:
            versions = _versions(match["versions"])
        else:
            ops[name] = _op(name, entry.op)
    return ops, versions


def _op(name: str, number: int) -> FieldOp:
    try:
        return FieldOp(number)
    except ValueError:
        raise InvalidParameter(f'unknown partial-update op {number} for field "{name}"') from None


def _versions(text: str) -> Column:
    try:
        listed = msgspec.json.decode(text, type=list[int | None])
        return Column(VERSION, pa.array(listed, type=pa.int64()))
    except (msgspec.MsgspecError, pa.ArrowInvalid, OverflowError) as error:
        raise InvalidParameter(f"{VERSION.name} takes a list of versions, one a row: {error}") from None
