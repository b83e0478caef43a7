"""What all tests of refusals share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from errors_stage import Stage
from pymilvus import MilvusClient

from serving import LocalServer


@pytest.fixture(scope="module")
def stage(server: LocalServer, client: MilvusClient) -> Iterator[Stage]:
    made = Stage.on(server.target, client)
    yield made
    made.channel.close()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a user sends ends in the server's log of failures."""
    with caplog.at_level(logging.ERROR):
        yield
    assert not [(record.getMessage(), record.exc_text) for record in caplog.records if record.levelno >= logging.ERROR]
