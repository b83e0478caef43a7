"""The rows that a write finds under its keys, as they are at that moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus.model.columns import ColumnBatch
from elanus.model.schema import Field
from elanus.model.time import NEVER, Timestamp


@dataclass(frozen=True, slots=True)
class Living:
    """Which rows count as there.

    after   rows written at this time or before have expired
    ends    the TIMESTAMPTZ field with each row's own end, None without one
    now_us  microseconds since 1970 UTC, which that end is compared with
    """

    after: Timestamp = NEVER
    ends: Field | None = None
    now_us: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored under some primary keys. Valid while the locks of all shards are held.

    keys        int64 or large_string [n], distinct
    versions    int64 [n]: when the key's row was written, 0 where no row is there
    partitions  int64 [n]: where the row lies, 0 where none is there
    read        returns some fields of the rows that are there, in the order of their keys
    """

    keys: pa.Array
    versions: NDArray[np.int64]
    partitions: NDArray[np.int64]
    read: Callable[[Sequence[Field]], ColumnBatch]

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which keys have a row, bool [n]."""
        there: NDArray[np.bool_] = self.versions != 0
        return there
