"""What many tests share: one server for the whole run, and clients of it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
from pymilvus import MilvusClient

from serving import LocalServer, settings_for

_NUMBERS = itertools.count()

# The client logs a traceback for each refusal, and refusals are what many tests are about.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One server for the whole run; tests leave it running and don't look at each other's collections."""
    with LocalServer(settings_for(tmp_path_factory.mktemp("server") / "data")) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: LocalServer) -> Iterator[MilvusClient]:
    """A stock pymilvus client of the shared server."""
    connected = server.connect()
    yield connected
    connected.close()


@pytest.fixture
def name() -> str:
    """A collection name that nobody else uses."""
    return f"c{next(_NUMBERS)}"
