"""What an engine is to the works, and the registry of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from nearest.data import Dataset
from nearest.timing import Search

Role: TypeAlias = Literal["graph", "lists", "codes", "flat", "auto"]
CHIEF = "elanus-sq8"
"""Our default code: where it was measured it alone stands for our graphs, so that no claim picks its own winner."""
EF = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


class Engine:
    """One index of one library.

    package       what must be installed, as pip knows it; ``module`` as Python does
    sweep         values of its search parameter, cheap to dear
    filter_sweep  the same under a filter; empty: it knows no filters
    """

    package: ClassVar[str]
    module: ClassVar[str]
    sweep: tuple[Any, ...] = (None,)
    filter_sweep: tuple[Any, ...] = ()

    def build(self, data: Dataset, threads: int = 1) -> None:
        """Build the index over the base vectors."""
        raise NotImplementedError

    def searcher(self, data: Dataset, k: int, parameter: Any, filter_name: str | None = None) -> Search:
        """Return a call from a query's number to the rows found; all that can be prepared is."""
        raise NotImplementedError

    def memory_bytes(self) -> int | None:
        """Return the bytes that the index holds beside the vector column; None: measure the process."""
        return None

    def explain(self, data: Dataset, k: int, parameter: Any, filter_name: str) -> dict[str, int]:  # noqa: ARG002
        """Return how often each strategy answered, where an engine says so."""
        return {}


@dataclass(frozen=True)
class Kind:
    """An engine by name: its role decides which works it takes part in."""

    name: str
    role: Role
    make: Callable[[], Engine]

    @property
    def ours(self) -> bool:
        return self.name.startswith("elanus")


ENGINES: dict[str, Kind] = {}


def register(name: str, role: Role, make: Callable[[], Engine]) -> None:
    ENGINES[name] = Kind(name, role, make)
