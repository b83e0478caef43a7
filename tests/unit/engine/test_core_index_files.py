"""Index files that can't be used: older, damaged. Searches scan meanwhile, and new files come by themselves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elanus._native.core import CallLimit
from elanus.collection.maintenance import Maintenance
from elanus.engine import CollectionName
from elanus.engine.collections import DropCollection
from elanus.engine.indexes import CreateIndex, DescribeIndexes, DropIndex
from elanus.engine.partitions import Load
from elanus.engine.search import Queries, Search
from elanus.index.sections import SECTIONS_FILE, read_sections, write_sections
from elanus.model import deadline
from elanus.model.manifest import FileInfo, IndexFile, Manifest
from elanus.model.types import DataType, IndexState

C = CollectionName("default", "c")
ROWS = 300
HNSW = (("index_type", "HNSW"), ("metric_type", "L2"), ("M", "8"))


@pytest.fixture
def indexed(house):
    house.create("c")
    house.insert(C, ROWS)
    house.run(CreateIndex(C, "v", "", HNSW))
    house.run(Load(C))
    house.settle(C)
    house.instance.collection(C).flush()
    house.settle(C)
    return house


def index_file(house) -> IndexFile:
    (segment,) = house.instance.collection(C).manifest.segments
    (file,) = segment.indexes
    return file


def replace_file(house, change: Callable[[IndexFile], IndexFile]) -> None:
    """Change what the manifest says of the index file, without the background noticing."""
    collection = house.instance.collection(C)

    def changed(manifest: Manifest) -> Manifest:
        (segment,) = manifest.segments
        return manifest.with_segment(replace(segment, indexes=tuple(change(file) for file in segment.indexes)))

    collection.commit(changed)


def found(house, row: int) -> list[int]:
    asked = Queries(DataType.FLOAT_VECTOR, 1, matrix=np.full((1, 4), row, dtype=np.float32))
    return house.run(Search(collection=C, queries=asked, limit=3)).keys.to_pylist()


def test_index_files_of_an_older_version_are_built_anew_while_searches_scan(indexed, monkeypatch, caplog):
    version = index_file(indexed).version
    assert version > 1
    with monkeypatch.context() as patched:
        patched.setattr(Maintenance, "run", lambda _self: None)
        replace_file(indexed, lambda file: replace(file, version=1))
        indexed.reopen()
        assert index_file(indexed).version == 1
        assert found(indexed, 17)[0] == 17
        (described,) = indexed.run(DescribeIndexes(C))
        assert (described.state, described.indexed_rows) == (IndexState.IN_PROGRESS, 0)
    with caplog.at_level(logging.WARNING):
        indexed.instance.collection(C).nudge()
        indexed.settle(C)
    assert index_file(indexed).version == version
    (described,) = indexed.run(DescribeIndexes(C))
    assert (described.state, described.indexed_rows) == (IndexState.FINISHED, ROWS)
    assert found(indexed, 18)[0] == 18
    assert not caplog.records, "nothing is wrong with an older file"


def test_a_folder_with_older_index_files_builds_them_anew_when_it_is_opened(indexed):
    replace_file(indexed, lambda file: replace(file, version=1))
    indexed.reopen()
    indexed.instance.collection(C)
    indexed.jobs.wait_idle()
    assert index_file(indexed).version > 1


def with_links_to_nowhere(folder: Path) -> None:
    """Rewrite the sections in ``folder``."""
    sections = {name: array.copy() for name, array in read_sections(folder).all_numbers().items()}
    sections["base"][0] = ROWS + 1
    write_sections(folder, sections)


def test_a_graph_that_leads_out_of_its_segment_is_named_scanned_and_built_anew(indexed, tmp_path, caplog, monkeypatch):
    good = index_file(indexed)
    collection = indexed.instance.collection(C)
    (tmp_path / "new").mkdir()
    for part in good.files:
        path = collection.store.local_path(part.key)
        (tmp_path / "new" / path.name).write_bytes(path.read_bytes())
    with_links_to_nowhere(tmp_path / "new")
    parts: list[FileInfo] = [
        collection.store.put_file(f"index/bad/{path.name}", path) for path in sorted((tmp_path / "new").iterdir())
    ]
    with monkeypatch.context() as patched:
        patched.setattr(Maintenance, "run", lambda _self: None)
        replace_file(indexed, lambda file: replace(file, files=tuple(parts)))
        indexed.reopen()
        with caplog.at_level(logging.ERROR):
            assert found(indexed, 20)[0] == 20
        indexed.jobs.wait_idle()
    (record,) = (record for record in caplog.records if "damaged" in record.message)
    assert SECTIONS_FILE in record.message
    assert "section base" in record.message
    indexed.instance.collection(C).nudge()
    indexed.settle(C)
    assert index_file(indexed).files[0].key not in {part.key for part in parts}
    assert found(indexed, 21)[0] == 21


@pytest.mark.parametrize("what", ["index", "collection"])
def test_a_build_stops_when_its_index_or_collection_goes(house, monkeypatch, what):
    house.create("c")
    house.insert(C, ROWS)
    collection = house.instance.collection(C)
    collection.flush()
    asked = []
    gone = {"index": DropIndex(C, "v", ""), "collection": DropCollection(C)}[what]

    dropping = threading.Thread(target=lambda: house.run(gone))  # a drop waits for the build

    def unwanted(self, index):
        if not asked:
            asked.append(True)
            dropping.start()
            while not real(self, index):
                pass
        return real(self, index)

    real = Maintenance._is_unwanted
    monkeypatch.setattr(Maintenance, "_is_unwanted", unwanted)
    house.run(CreateIndex(C, "v", "", HNSW))
    house.jobs.wait_idle()
    dropping.join()
    assert asked
    assert [key for key in house.files() if "index" in key] == []


def test_a_search_whose_call_is_over_ends(indexed):
    assert found(indexed, 5)[0] == 5
    with deadline.limited(CallLimit(0.0)), pytest.raises(deadline.Expired):
        found(indexed, 5)
    limit = CallLimit()
    limit.cancel()
    with deadline.limited(limit), pytest.raises(deadline.Cancelled):
        found(indexed, 5)
