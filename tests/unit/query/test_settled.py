"""What is known of searches that were asked before: of the rows as they are, and of no others."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from typing import Any

import pytest

from elanus.query import settled
from elanus.query.settled import REFRESHED, Settled, SettledSearches

NO_SEARCH: Any = None


class Rows:
    """Stands for a view: something that is itself and can be let go of."""


@dataclass(slots=True, eq=False)
class Answerer:
    """A settled search that holds so many bytes."""

    nbytes: int = 8
    left: int = REFRESHED


@pytest.fixture(autouse=True)
def _settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settled, "settle", lambda _plan, nbytes: Answerer(nbytes or 8))


def known(searches: SettledSearches, key: str, epoch: Any, nbytes: Any = NO_SEARCH) -> Settled | None:
    searches.offer(key, epoch, NO_SEARCH, nbytes)
    return searches.get(key, epoch)


def test_a_search_is_settled_the_second_time() -> None:
    searches, epoch = SettledSearches(), (Rows(), (7,))
    assert known(searches, "a", epoch) is None
    assert known(searches, "b", epoch) is None
    assert known(searches, "a", epoch) is not None


def test_another_view_or_a_later_write_makes_all_of_them_void() -> None:
    searches, rows = SettledSearches(), Rows()
    known(searches, "a", (rows, (7,)))
    assert known(searches, "a", (rows, (7,))) is not None
    assert searches.get("a", (rows, (8,))) is None
    assert searches.get("a", (Rows(), (7,))) is None
    known(searches, "b", (rows, (8,)))
    assert searches.get("a", (rows, (8,))) is None
    assert searches.get("a", (rows, (7,))) is None


def test_after_some_uses_a_search_takes_the_long_way() -> None:
    searches, epoch = SettledSearches(), (Rows(), (7,))
    known(searches, "a", epoch)
    searches.offer("a", epoch, NO_SEARCH, NO_SEARCH)
    assert [searches.get("a", epoch) is not None for _ in range(REFRESHED + 1)] == [True] * REFRESHED + [False]


def test_what_they_hold_is_bounded() -> None:
    searches, epoch = SettledSearches(), (Rows(), (7,))
    half = settled.MOST_BYTES // 2 + 1
    for key in ("a", "b"):
        searches.offer(key, epoch, NO_SEARCH, half)
        searches.offer(key, epoch, NO_SEARCH, half)
    assert [searches.get(key, epoch) is not None for key in ("a", "b")] == [False, True]
    assert known(searches, "c", epoch, settled.MOST_BYTES + 1) is None
    assert known(searches, "c", epoch, settled.MOST_BYTES + 1) is None


def test_a_view_is_not_held() -> None:
    searches, rows = SettledSearches(), Rows()
    known(searches, "a", (rows, (7,)))
    held = weakref.ref(rows)
    del rows
    gc.collect()
    assert held() is None
