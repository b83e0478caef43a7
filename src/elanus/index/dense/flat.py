"""FLAT and BIN_FLAT: no structure beside the column; every search scans it, exactly."""

from __future__ import annotations

from elanus.index.base import INDEX_KINDS, IndexKind
from elanus.index.families import BINARY_FAMILY, FLOAT_FAMILY

INDEX_KINDS.register(IndexKind(name="FLAT", family="vector", metrics=FLOAT_FAMILY))
INDEX_KINDS.register(IndexKind(name="BIN_FLAT", family="vector", metrics=BINARY_FAMILY))
