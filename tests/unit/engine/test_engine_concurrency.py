"""Many threads on the same names: every answer is one that some order of the calls gives."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from elanus.engine import CollectionName
from elanus.engine.aliases import CreateAlias, DropAlias
from elanus.engine.collections import (
    CollectionStatistics,
    DescribeCollection,
    DropCollection,
    ListCollections,
    RenameCollection,
    TruncateCollection,
)
from elanus.engine.indexes import CreateIndex, DropIndex
from elanus.engine.locks import KeyedLocks
from elanus.engine.partitions import CreatePartition, DropPartition, ListPartitions, Load, Release
from elanus.model.errors import ElanusError, InternalError, StorageFailed

A = CollectionName("default", "a")
B = CollectionName("default", "b")
X = CollectionName("default", "x")
L2 = (("index_type", "FLAT"), ("metric_type", "L2"))
COMMANDS = [
    DropCollection(A),
    DescribeCollection(A),
    ListCollections("default"),
    RenameCollection(A, B),
    RenameCollection(B, A),
    TruncateCollection(A),
    CollectionStatistics(X),
    CreateAlias(X, "a"),
    DropAlias(X),
    CreatePartition(A, "p"),
    DropPartition(B, "p"),
    CreateIndex(A, "v", "", L2),
    DropIndex(B, "v", "v"),
    Load(A),
    Release(B),
]


@pytest.mark.parametrize("seed", range(3))
def test_ddl_of_many_threads_leaves_a_whole_catalog(house, seed):
    def work(number: int) -> None:
        chosen = random.Random(seed * 100 + number)
        for _ in range(60):
            try:
                if chosen.random() < 0.25:
                    house.create(chosen.choice("ab"))
                elif chosen.random() < 0.3:
                    house.insert(A, 5)
                else:
                    house.run(chosen.choice(COMMANDS))
            except (StorageFailed, InternalError):
                raise
            except ElanusError:
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert_whole(house)
    house.reopen()
    assert_whole(house)


def assert_whole(house) -> None:
    """The store holds the collections that the catalog names, and each of them answers."""
    names = house.run(ListCollections("default"))
    stored = {int(key.split("/")[1]) for key in house.files()}
    assert stored == {one.id for one in names}
    for one in names:
        assert house.run(CollectionStatistics(CollectionName("default", one.name))) >= 0


def test_partitions_made_at_once_are_all_there(house):
    house.create("a")
    start = threading.Barrier(4)

    def make(number: int) -> None:
        start.wait()
        for place in range(5):
            house.run(CreatePartition(A, f"p{number}_{place}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    assert len(house.run(ListPartitions(A))) == 21


def test_keyed_locks_exclude_on_one_key_only():
    locks = KeyedLocks()
    order = []
    inside = threading.Event()

    def second() -> None:
        inside.set()
        with locks.hold("a"):
            order.append("second")

    with locks.hold("a"):
        waiting = threading.Thread(target=second)
        waiting.start()
        inside.wait()
        with locks.hold("b"):
            order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    assert not locks._locks
