"""How kinds are plugged in: a registry a family, keyed by the name that users write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """A kind that knows the name users write."""

    @property
    def name(self) -> str:
        """The name, in its canonical spelling."""


K = TypeVar("K", bound=Named)


class Registry(Generic[K]):
    """The kinds of one family. Names are unique and looked up without regard to case."""

    def __init__(self, family: str) -> None:
        self.family = family
        self._kinds: dict[str, K] = {}

    def register(self, kind: K) -> K:
        """Add a kind; a second one of the same name is a programming error."""
        key = kind.name.upper()
        if key in self._kinds:
            raise ValueError(f"{self.family} {kind.name!r} is registered twice")
        self._kinds[key] = kind
        return kind

    def find(self, name: str) -> K | None:
        """Return the kind of that name, None when there is none."""
        return self._kinds.get(name.upper())

    def __getitem__(self, name: str) -> K:
        return self._kinds[name.upper()]

    def __iter__(self) -> Iterator[K]:
        return iter(self._kinds.values())

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(kind.name for kind in self._kinds.values())
