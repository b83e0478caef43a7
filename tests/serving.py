"""A real server on a real port, in the process of the tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pymilvus import MilvusClient

from elanus.main import Server
from elanus.model.settings import JobSettings, SegmentSettings, ServerSettings, Settings


def settings_for(
    folder: Path,
    *,
    segment: SegmentSettings | None = None,
    jobs: JobSettings | None = None,
) -> Settings:
    """Return settings of a server on a free port."""
    base = Settings(data=folder, server=ServerSettings(port=0))
    return replace(base, segment=segment or base.segment, jobs=jobs or base.jobs)


class LocalServer:
    """A server that can be restarted on its folder; the port may change then."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._server = Server(settings)

    @property
    def uri(self) -> str:
        return f"http://{self.target}"

    @property
    def target(self) -> str:
        return self._server.address.target

    def connect(self, **options: object) -> MilvusClient:
        return MilvusClient(self.uri, **options)

    def settle(self) -> None:
        """Write what is in memory to files and wait for merges and index builds."""
        self._server.settle()

    def restart(self) -> None:
        """Close the server in order and open it again."""
        self._server.close()
        self._server = Server(self.settings)

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
