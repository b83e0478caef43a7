"""What is known of searches that were asked before: of the rows as they are, and of no others."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from elanus.model.time import Timestamp
from elanus.query.settled import MOST_BYTES, REFRESHED, Settled, SettledSearches
from elanus.segment.view import View

NOTHING: Any = None


def view() -> View:
    return View(NOTHING, (), ())


def settled(nbytes: int = 8) -> Settled:
    """Return a search whose filters hold so many bytes; it is never run."""
    return Settled(NOTHING, (), NOTHING, Timestamp(7), nbytes)


def known(searches: SettledSearches, key: str, epoch: Any, nbytes: int = 8) -> Settled | None:
    searches.offer(key, epoch, lambda: settled(nbytes))
    return searches.get(key, epoch)


def test_a_search_is_settled_the_second_time() -> None:
    searches, epoch = SettledSearches(), (view(), (7,))
    assert known(searches, "a", epoch) is None
    assert known(searches, "b", epoch) is None
    assert known(searches, "a", epoch) is not None


def test_another_view_or_a_later_write_makes_all_of_them_void() -> None:
    searches, rows = SettledSearches(), view()
    known(searches, "a", (rows, (7,)))
    assert known(searches, "a", (rows, (7,))) is not None
    assert searches.get("a", (rows, (8,))) is None
    assert searches.get("a", (view(), (7,))) is None
    known(searches, "b", (rows, (8,)))
    assert searches.get("a", (rows, (8,))) is None
    assert searches.get("a", (rows, (7,))) is None


def test_after_some_uses_a_search_takes_the_long_way() -> None:
    searches, epoch = SettledSearches(), (view(), (7,))
    known(searches, "a", epoch)
    searches.offer("a", epoch, settled)
    assert [searches.get("a", epoch) is not None for _ in range(REFRESHED + 1)] == [True] * REFRESHED + [False]


def test_what_they_hold_is_bounded() -> None:
    searches, epoch = SettledSearches(), (view(), (7,))
    for key in ("a", "b"):
        known(searches, key, epoch)
        known(searches, key, epoch, MOST_BYTES // 2 + 1)
    assert [searches.get(key, epoch) is not None for key in ("a", "b")] == [False, True]
    assert known(searches, "c", epoch, MOST_BYTES + 1) is None
    assert known(searches, "c", epoch, MOST_BYTES + 1) is None


def test_what_does_not_settle_is_not_known() -> None:
    searches, epoch = SettledSearches(), (view(), (7,))
    for _ in range(3):
        searches.offer("a", epoch, lambda: None)
        assert searches.get("a", epoch) is None


def test_a_view_is_not_held() -> None:
    searches, rows = SettledSearches(), view()
    known(searches, "a", (rows, (7,)))
    held = weakref.ref(rows)
    del rows
    gc.collect()
    assert held() is None
