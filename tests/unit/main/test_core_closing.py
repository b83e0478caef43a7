"""Closing a server when something goes wrong meanwhile."""

from pathlib import Path

import pytest

import elanus
from elanus.collection.collection import Collection
from elanus.engine import CollectionName, LocalEngine
from elanus.engine.collections import CreateCollection
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType
from elanus.storage.folder_lock import FolderLock

FIELDS = (
    Field(id=0, name="id", type=DataType.INT64, is_primary=True),
    Field(id=0, name="v", type=DataType.FLOAT_VECTOR, params=(("dim", "4"),)),
)


def test_a_collection_that_can_not_be_flushed_holds_up_no_other_and_no_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = elanus.serve(tmp_path / "data")
    engine = LocalEngine(server._instance)
    for name in ("a", "b"):
        engine.execute(CreateCollection(CollectionName("default", name), Schema(FIELDS)))
    tried = []

    def fails(collection: Collection) -> None:
        tried.append(collection.id)
        raise MemoryError

    monkeypatch.setattr(Collection, "flush", fails)
    server.close()
    assert len(set(tried)) == 2
    FolderLock(tmp_path / "data").close()
    server.close()
    assert len(tried) == 2, "closing again does nothing"
