"""Remove the files of a collection that its manifest names no more."""

from __future__ import annotations

import weakref
from functools import partial

from elanus.collection.jobs import Jobs
from elanus.model.manifest import FileInfo, Manifest
from elanus.segment.view import View
from elanus.storage.store import ObjectStore

DATA_FOLDERS = ("segments/", "deletes/", "index/")


def sweep_unnamed(store: ObjectStore, manifest: Manifest) -> None:
    """Remove the files of flushes, merges and builds that were cut short before their commit."""
    named = {file.key for file in _files(manifest)}
    found = (item.key for folder in DATA_FOLDERS for item in store.list(folder))
    store.delete([key for key in found if key not in named])


def sweep_replaced(store: ObjectStore, jobs: Jobs, old: Manifest, new: Manifest, before: View) -> None:
    """Remove the files that only the old manifest named; those of a whole segment when its last reader is done.

    before  the view under the old manifest
    jobs    remove the files of whole segments: a last reader may let go anywhere
    """
    gone = _files(old) - _files(new)
    named = {info.id for info in new.segments}
    for segment in before.all_sealed():
        if segment.id not in named:
            own = frozenset(segment.info.files)
            remove = partial(store.delete, sorted(file.key for file in own))
            weakref.finalize(segment, jobs.submit, (new.id, "sweep", segment.id), remove).atexit = False
            gone -= own
    store.delete(sorted(file.key for file in gone))


def _files(manifest: Manifest) -> frozenset[FileInfo]:
    return frozenset(file for segment in manifest.segments for file in segment.files)
