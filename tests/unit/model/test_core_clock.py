"""The clock's ceiling: nothing is issued beyond what is on disk."""

import pytest

from elanus.model.errors import StorageFailed
from elanus.model.time import Clock, Timestamp


def test_no_timestamp_is_issued_beyond_a_ceiling_that_could_not_be_stored() -> None:
    stored: list[Timestamp] = []
    full = [True, True, False]

    def lease(ceiling: Timestamp) -> None:
        if full.pop(0):
            raise StorageFailed("no space left on device")
        stored.append(ceiling)

    clock = Clock(lease, unix_ms=lambda: 1_000)
    for _ in range(2):
        with pytest.raises(StorageFailed):
            clock.now()
    assert clock.now() < stored[-1]
