"""What every collection is handed: the store, the log, the clock, the settings and the job pool of its server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from elanus.collection.jobs import Jobs
from elanus.model.settings import Settings
from elanus.model.time import Clock
from elanus.observe.metrics import Metrics
from elanus.segment.json_columns import JsonCache
from elanus.storage.store import ObjectStore
from elanus.storage.wal import Wal


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of a collection; one set a server.

    scratch     a local folder on the store's disk for files that are being made
    json_cache  what filters keep of JSON fields, of all collections
    metrics     what is counted and measured
    """

    store: ObjectStore
    wal: Wal
    clock: Clock
    jobs: Jobs
    settings: Settings
    scratch: Path
    json_cache: JsonCache = field(default_factory=JsonCache)
    metrics: Metrics = field(default_factory=Metrics)
