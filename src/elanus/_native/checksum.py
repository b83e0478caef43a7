"""CRC32C (Castagnoli) of any buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elanus._native import core

if TYPE_CHECKING:
    from typing_extensions import Buffer


def crc32c(data: Buffer, seed: int = 0) -> int:
    """Return the checksum of ``data``, continued from ``seed``.

    data     any C-contiguous buffer, whatever its items are
    returns  an unsigned 32-bit integer
    cost     about 10 GB/s a core; the GIL is released
    """
    view = memoryview(data)
    return core.crc32c(view.cast("B"), seed) if view.nbytes else seed
