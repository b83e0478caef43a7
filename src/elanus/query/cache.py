"""Bound plans, kept for the next request that asks the same: binding costs more than many a search."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

from elanus.model.manifest import Manifest

P = TypeVar("P")


class PlanCache(Generic[P]):
    """The plans of one collection under its current manifest, at most ``size`` of them.

    Safe from any thread: what two of them bind at once is bound twice, and one of the equal plans is kept.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._kept: tuple[Manifest | None, dict[Hashable, P]] = (None, {})

    def get(self, manifest: Manifest, key: Hashable, bind: Callable[[], P]) -> P:
        """Return the plan kept under ``key``, bound now when there is none under this manifest or no key."""
        if key is None:
            return bind()
        current, plans = self._kept
        if current is not manifest or len(plans) >= self._size:
            plans = {}
            self._kept = (manifest, plans)
        plan = plans.get(key)
        if plan is None:
            plan = plans[key] = bind()
        return plan


def frozen(values: Mapping[str, Any]) -> Hashable:
    """Return a parameter map as a key."""
    return tuple((name, repr(value)) for name, value in values.items())
