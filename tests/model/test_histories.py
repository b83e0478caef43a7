"""Histories that once went wrong, or that chance seldom draws: the same operations as the model test, written out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from model_driver import Driver
from model_machines import open_engine
from model_reference import DEFAULT


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    made = Driver(open_engine(tmp_path / "data"), tmp_path / "trace.jsonl")
    yield made
    made.close()


def start(driver: Driver, *, shards: int = 1) -> None:
    """Make a loaded collection with integer keys, searched exactly by L2."""
    driver.apply("create", text_keys=False, shards=shards, metric="L2", kind="FLAT")
    driver.apply("load", names=[])


def row(key: int, *, a: int = 0, v: list[int] | None = None) -> list[Any]:
    return [key, a, "s", v or [1, 1, 1, 1], None]


def put(driver: Driver, *rows: list[Any], partition: str = DEFAULT) -> None:
    driver.apply("put", rows=list(rows), partition=partition, upsert=False)


@pytest.mark.parametrize("crash", [False, True])
def test_row_replaced_by_one_of_a_dropped_partition_does_not_come_back(driver: Driver, crash: bool) -> None:
    start(driver)
    driver.apply("create_partition", name="p1")
    put(driver, row(1, a=1))
    driver.apply("flush")
    put(driver, row(1, a=2), partition="p1")
    driver.apply("drop_partition", name="p1")
    driver.apply("check_all")
    driver.apply("restart", crash=crash)


def test_equal_distances_are_decided_by_key_whatever_the_order_of_arrival(driver: Driver) -> None:
    start(driver)
    put(driver, *(row(key) for key in (9, 3, 7, 1, 8, 2, 6, 4, 5)))
    for limit in (1, 4, 9):
        driver.apply("search", field="v", vector=[1, 1, 1, 2], limit=limit, offset=0, where=None, names=[])
    driver.apply("flush")
    put(driver, *(row(key) for key in (19, 13, 0, 11)))
    driver.apply("search", field="v", vector=[1, 1, 1, 2], limit=6, offset=2, where=None, names=[])


def test_key_written_many_times_in_one_batch_and_across_flushes_is_one_row(driver: Driver) -> None:
    start(driver, shards=3)
    for value in range(4):
        put(driver, *(row(key, a=value) for key in (1, 2, 1, 3, 1)))
        driver.apply("flush")
    driver.apply("check_all")
    driver.apply("restart", crash=True)
    driver.apply("delete", where=["in", "id", [1]])
    driver.apply("restart", crash=True)
    driver.apply("settle")
    driver.apply("check_all")


def test_deletes_of_sealed_rows_survive_a_merge_and_a_crash(driver: Driver) -> None:
    start(driver)
    for first in range(0, 40, 10):
        put(driver, *(row(key, a=key % 3) for key in range(first, first + 10)))
        driver.apply("flush")
        driver.apply("delete", where=["in", "id", [first, first + 1]])
    driver.apply("settle")
    driver.apply("delete", where=["==", "a", 1])
    driver.apply("restart", crash=True)
    driver.apply("settle")
    driver.apply("check_all")
