"""What is remembered of iterators between pages: for how long, how much, and what happens once it is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from elanus.engine import CollectionName
from elanus.engine.collections import DropCollection
from elanus.engine.data import Delete
from elanus.engine.indexes import CreateIndex
from elanus.engine.iterators import Iterators
from elanus.engine.partitions import Load, Release
from elanus.engine.search import Consistency, Iteration, Queries, Query, Search
from elanus.model.deadline import Expired
from elanus.model.errors import InvalidParameter
from elanus.model.ids import CollectionId
from elanus.model.time import Timestamp
from elanus.model.types import DataType
from elanus.query.iterators import SearchWalk
from elanus.query.snapshot import Snapshot

NOW = Timestamp(1 << 40)


class Watch:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Bulk:
    """Something to remember."""

    collection: CollectionId
    num_bytes: int = 0


@dataclass(frozen=True)
class _Manifest:
    property_map: dict[str, str]


@dataclass(frozen=True)
class _View:
    manifest: _Manifest


def _snapshot(*at: int, expired: int = 0, **properties: str) -> Snapshot:
    return Snapshot(_View(_Manifest(properties)), [Timestamp(each) for each in at], Timestamp(expired), 0)


def test_what_nobody_asks_for_is_forgotten_after_a_while():
    watch = Watch()
    kept = Iterators(kept_s=10, clock=watch)
    first, second = (kept.pin(CollectionId(1), _snapshot(at), lambda: NOW) for at in (100, 200))
    watch.seconds = 8
    assert kept.pinned(CollectionId(1), first.moment) is first
    watch.seconds = 15
    assert kept.pinned(CollectionId(1), first.moment) is first
    assert kept.pinned(CollectionId(1), second.moment) is None
    watch.seconds = 26
    kept.expire()
    assert not len(kept)


def test_the_least_recently_used_go_first_when_they_are_too_many():
    kept = Iterators(max_kept=2)
    moments = [kept.pin(CollectionId(1), _snapshot(at), lambda: NOW).moment for at in (100, 200)]
    kept.pinned(CollectionId(1), moments[0])
    kept.pin(CollectionId(1), _snapshot(300), lambda: NOW)
    assert kept.pinned(CollectionId(1), moments[0]) is not None
    assert kept.pinned(CollectionId(1), moments[1]) is None


def test_searches_that_hold_too_much_memory_are_forgotten():
    kept = Iterators(max_bytes=100)
    for key in ("a", "b", "c"):
        kept._keep(key, Bulk(CollectionId(1), 40))
    assert kept._find("a") is None
    assert kept._find("c") is not None
    kept._keep("d", Bulk(CollectionId(1), 500))
    assert not len(kept)


def test_only_the_iterators_of_a_dropped_collection_are_forgotten():
    kept = Iterators()
    for number in (1, 2):
        kept.pin(CollectionId(number), _snapshot(100), lambda: NOW)
    kept.drop(CollectionId(1))
    assert kept.pinned(CollectionId(1), Timestamp(100)) is None
    assert kept.pinned(CollectionId(2), Timestamp(100)) is not None


def test_equal_snapshots_are_kept_once_and_others_never_share_a_moment():
    kept = Iterators()
    first = kept.pin(CollectionId(1), _snapshot(50, 100), lambda: NOW)
    assert kept.pin(CollectionId(1), _snapshot(50, 100), lambda: NOW) is first
    later = kept.pin(CollectionId(1), _snapshot(60, 100), lambda: NOW)
    assert (first.moment, later.moment) == (100, NOW)
    assert kept.pinned(CollectionId(1), Timestamp(100)) is first


def test_rows_that_end_make_snapshots_differ():
    kept = Iterators()
    moments = [kept.pin(CollectionId(1), _snapshot(100, expired=at), lambda: NOW).moment for at in (1, 2)]
    assert moments == [100, NOW]
    ending = {"ttl_field": "until"}
    moments = [kept.pin(CollectionId(2), _snapshot(100, **ending), lambda: NOW).moment for _ in range(2)]
    assert moments == [100, NOW]


# --- through the engine ---


@pytest.fixture
def words(house) -> CollectionName:
    name = house.create("words")
    house.run(CreateIndex(name, "v", "v", params=(("index_type", "FLAT"), ("metric_type", "L2"))))
    house.run(Load(name))
    house.insert(name, 40)
    house.instance.collection(name).flush()
    return name


def _page(house, name: CollectionName, token: str = "", bound: float | None = None, guarantee: int = 0):
    query = np.zeros((1, 4), dtype=np.float32)
    found = house.run(
        Search(
            collection=name,
            queries=Queries(DataType.FLOAT_VECTOR, 1, matrix=query),
            limit=10,
            iteration=Iteration(token, bound),
            consistency=Consistency(guarantee=guarantee, pinned=True),
        )
    )
    return found, found.keys.to_pylist()


def test_a_forgotten_search_goes_on_beyond_its_bound_at_its_moment(house, words):
    first, keys = _page(house, words)
    house.insert(words, 60)  # all rows anew
    house.run(Delete(words, "id == 15"))
    house.instance.iterators.drop(house.instance.collection(words).id)
    second, more = _page(house, words, first.position.token, first.position.bound, first.at)
    assert second.position.token == first.position.token
    assert second.at == first.at
    assert keys + more == list(range(20))


def test_an_evicted_token_gets_no_rows_that_are_equally_far_twice(house, words):
    first, keys = _page(house, words)
    _, more = _page(house, words, first.position.token, first.position.bound, first.at)
    assert not set(keys) & set(more)
    again, same = _page(house, words, first.position.token, first.position.bound, first.at)
    assert same == more
    _, after = _page(house, words, first.position.token, again.position.bound, first.at)
    assert after == list(range(20, 30))
    # A place that the session has never been at.
    _, elsewhere = _page(house, words, first.position.token, 4.0 * 4**2, first.at)
    assert elsewhere == list(range(5, 15))


def test_a_search_that_broke_off_is_begun_anew_from_its_bound(house, words, monkeypatch):
    first, keys = _page(house, words)
    with monkeypatch.context() as broken:
        broken.setattr(SearchWalk, "next", lambda _walk, _count: (_ for _ in ()).throw(Expired("too late")))
        with pytest.raises(Expired):
            _page(house, words, first.position.token, first.position.bound, first.at)
    _, more = _page(house, words, first.position.token, first.position.bound, first.at)
    assert keys + more == list(range(20))


def test_a_token_with_another_search_begins_anew_from_the_bound(house, words):
    first, _ = _page(house, words)
    query = np.full((1, 4), 39.0, dtype=np.float32)
    other = Search(
        collection=words,
        queries=Queries(DataType.FLOAT_VECTOR, 1, matrix=query),
        limit=3,
        iteration=Iteration(first.position.token, 4.0),
        consistency=Consistency(guarantee=first.at, pinned=True),
    )
    assert house.run(other).keys.to_pylist() == [37, 36, 35]


def test_the_bound_of_an_empty_search_excludes_nothing(house, words):
    house.run(Delete(words, "id >= 0"))
    found, keys = _page(house, words)
    assert keys == []
    assert found.position.bound == -float(np.finfo(np.float32).max)
    after, keys = _page(house, words, found.position.token, found.position.bound, found.at)
    assert keys == []
    assert after.position.bound == found.position.bound


def test_releases_and_drops_let_go_of_pinned_views(house, words):
    for command in (Release(words), DropCollection(words)):
        house.run(Load(words))
        _page(house, words)
        assert len(house.instance.iterators)
        if isinstance(command, DropCollection):
            house.run(Release(words))
            house.run(Load(words))
            _page(house, words)
        house.run(command)
        assert not len(house.instance.iterators)


def test_a_token_of_another_collection_is_refused(house, words):
    first, _ = _page(house, words)
    other = house.create("other")
    house.run(CreateIndex(other, "v", "v", params=(("index_type", "FLAT"), ("metric_type", "L2"))))
    house.run(Load(other))
    with pytest.raises(InvalidParameter, match="is not consistent to that in the search context"):
        _page(house, other, first.position.token, first.position.bound)


def test_a_moment_that_is_not_remembered_is_read_from_what_is_there(house, words):
    pinned = Consistency(pinned=True)
    asked = Query(collection=words, filter="id >= 0", limit=100, consistency=pinned)
    begun = house.run(asked)
    house.run(Delete(words, "id == 7"))
    house.insert(words, 50)
    house.instance.iterators.drop(house.instance.collection(words).id)
    later = house.run(replace(asked, consistency=replace(pinned, guarantee=begun.at)))
    assert later.num_rows == 40
    assert later.at == begun.at
