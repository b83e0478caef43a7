"""An engine over a real store, log, clock and job pool in a temporary folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from elanus.catalog.names import Catalog
from elanus.collection.jobs import Jobs
from elanus.collection.services import Services
from elanus.engine import CollectionName, Instance, LocalEngine
from elanus.engine.collections import CreateCollection
from elanus.engine.data import Insert
from elanus.model.columns import Column, arrow_type
from elanus.model.schema import Field, Schema
from elanus.model.settings import JobSettings, Settings
from elanus.model.time import Clock
from elanus.model.types import DataType
from elanus.storage.lease import ClockFile
from elanus.storage.local import LocalStore
from elanus.storage.wal import Wal


class House:
    """One data folder and the engine over it, which can be closed and opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open()

    def open(self) -> None:
        settings = Settings(data=self.folder, jobs=JobSettings(index_min_rows=8))
        ceiling = ClockFile(self.folder / "clock")
        self.clock = Clock(ceiling.store, ceiling.load())
        self.jobs = Jobs(1)
        self.store = LocalStore(self.folder / "store")
        self.wal = Wal.open(self.folder / "wal", settings.wal)
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        self.services = Services(self.store, self.wal, self.clock, self.jobs, settings, scratch)
        self.catalog = Catalog.open(self.folder / "catalog.db", now=self.clock.now)
        self.instance = Instance(self.catalog, self.services)
        self.engine = LocalEngine(self.instance)

    def close(self) -> None:
        self.jobs.close()
        self.instance.close()
        self.wal.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    def run(self, command):
        return self.engine.execute(command)

    def create(self, name: str = "c", *fields: Field, **options) -> CollectionName:
        """Create a collection with a key and a vector of 4 values, and the given fields."""
        collection = CollectionName(options.pop("database", "default"), name)
        self.run(CreateCollection(collection, schema(*fields), **options))
        return collection

    def insert(self, collection: CollectionName, rows: int, partition: str = "") -> None:
        """Insert rows 0 to ``rows`` of a collection without further fields."""
        fields = self.instance.collection(collection).manifest.schema
        columns = [
            Column(fields["id"], pa.array(range(rows), pa.int64())),
            Column(fields["v"], pa.array([[float(row)] * 4 for row in range(rows)], arrow_type(fields["v"]))),
        ]
        self.run(Insert(collection, columns, rows, partition))

    def settle(self, collection: CollectionName) -> None:
        """Wait until the collection's background work is done."""
        for job in ("seal", "flush", "maintain"):
            self.jobs.wait((self.instance.collection(collection).id, job))

    def files(self, prefix: str = "collections/") -> list[str]:
        return [info.key for info in self.store.list(prefix)]


def schema(*fields: Field) -> Schema:
    return Schema((KEY, VECTOR, *fields))


KEY = Field(id=0, name="id", type=DataType.INT64, is_primary=True)
VECTOR = Field(id=0, name="v", type=DataType.FLOAT_VECTOR, params=(("dim", "4"),))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = House(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def run(house: House) -> Callable:
    return house.run
