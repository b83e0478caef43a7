"""The two machines: on the engine in this process, and through pymilvus on a served port."""

from __future__ import annotations

from pathlib import Path

from model_backends import Backend, ClientBackend, EngineBackend
from model_machine import ModelMachine

from elanus.model.settings import JobSettings, SegmentSettings, ServerSettings, Settings, WalSettings


def small(folder: Path) -> Settings:
    """Return settings under which a few rows are sealed, merged and indexed, and log files turn over."""
    return Settings(
        data=folder,
        wal=WalSettings(streams=2, segment_bytes=16_384),
        segment=SegmentSettings(seal_bytes=6_000, merge_below_rows=64, merge_at=3),
        jobs=JobSettings(index_min_rows=16),
        server=ServerSettings(port=0),
    )


def open_engine(folder: Path) -> Backend:
    return EngineBackend(small(folder))


def open_client(folder: Path) -> Backend:
    return ClientBackend(small(folder))


class EngineMachine(ModelMachine):
    name = "engine"
    open_backend = staticmethod(open_engine)
    can_crash = True


class ClientMachine(ModelMachine):
    name = "client"
    open_backend = staticmethod(open_client)
    can_crash = False


BACKENDS = {"engine": open_engine, "client": open_client}
