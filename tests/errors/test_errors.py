"""Refused input, by the number of its row in the catalogue: the code and the phrase that clients look for."""

from __future__ import annotations

from collections.abc import Iterator

import errors_chains
import errors_groups
import errors_indexes
import errors_iterators
import errors_names
import errors_ranking
import errors_reads
import errors_scalar_indexes
import errors_schemas
import errors_struct_search
import errors_structs
import errors_tables
import errors_values
import errors_writes
import pytest
from errors_stage import CASES, Case, Refusal, Stage, numbers_of
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from serving import LocalServer

FAMILIES = (
    errors_names,
    errors_schemas,
    errors_structs,
    errors_struct_search,
    errors_writes,
    errors_groups,
    errors_indexes,
    errors_iterators,
    errors_reads,
    errors_ranking,
    errors_chains,
    errors_tables,
    errors_values,
    errors_scalar_indexes,
)
ROWS = range(1, 206)

NOT_COVERED: dict[str, tuple[int, ...]] = {
    "alter": (52, 59, 60, 61, 62, 64, 65, 71, 72, 73, 74, 75, 130),
    "resource-groups": (21, 197),
    "functions": (76, 77, 78, 79, 80, 81, 82, 83, 84, 171),
    "size": (108, 180),
    "external": (115,),
    "quantized": (122, 123),
    "text": (177, 181),
    "access": (182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196),
    "snapshots": (198,),
    "import": (199,),
    "files": (200,),
    "compaction": (201,),
    "flush-all": (202,),
    "quotas": (203, 204),
}
"""Rows that no case covers yet, by what they wait for."""


@pytest.fixture(scope="module")
def stage(server: LocalServer, client: MilvusClient) -> Iterator[Stage]:
    made = Stage.on(server.target, client)
    yield made
    made.channel.close()


LEGACY = {100: 4, 109: 62, 200: 15, 700: 25, 1100: 5, 1101: 5, 801: 1, 1601: 1}
"""The old ``error_code`` beside a code."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number}-{case.what}")
def test_refused_with_code_and_phrase(case: Case, stage: Stage) -> None:
    with pytest.raises((MilvusException, Refusal)) as caught:
        case.call(stage)
    assert case.phrase in str(caught.value)
    assert caught.value.code == case.code
    if isinstance(caught.value, Refusal):
        status = caught.value.status
        assert status.detail == status.reason
        assert not status.retriable or case.code == 12
        assert status.error_code == LEGACY.get(case.code, status.error_code)


def test_every_row_of_the_catalogue_is_covered_or_listed_as_open() -> None:
    covered = numbers_of(CASES)
    waiting = [number for numbers in NOT_COVERED.values() for number in numbers]
    assert len(waiting) == len(set(waiting)), "a row is listed twice"
    assert not covered & set(waiting), "a covered row is listed as open"
    assert covered | set(waiting) == set(ROWS), sorted(set(ROWS) - covered - set(waiting))
