"""The catalog's tables, and how its database is opened.

On SQLite a committed transaction survives a power cut: the journal is a write-ahead log, synced at every commit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.pool import StaticPool

from elanus.model.errors import StorageFailed

FORMAT_VERSION: Final = 1

metadata = MetaData()

catalog_format = Table("catalog_format", metadata, Column("version", Integer, primary_key=True))

databases = Table(
    "databases",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(255), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("properties", JSON, nullable=False),
)

collections = Table(
    "collections",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("database_id", ForeignKey(databases.c.id), nullable=False),
    Column("name", String(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("shards", Integer, nullable=False),
    Column("partitions", Integer, nullable=False),
    UniqueConstraint("database_id", "name"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("database_id", ForeignKey(databases.c.id), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("collection_id", ForeignKey(collections.c.id), nullable=False),
)


def open_engine(where: Path | str) -> Engine:
    """Return the database, its tables made when they are missing.

    where   a file of SQLite, or a SQLAlchemy URL
    raises  StorageFailed when a later release wrote it
    """
    url = where if isinstance(where, str) and "://" in where else f"sqlite:///{where}"
    if not url.startswith("sqlite"):
        engine = create_engine(url)
    else:
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _set_pragmas)
    metadata.create_all(engine)
    with engine.begin() as connection:
        _check_format(connection, str(where))
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _check_format(connection: Connection, where: str) -> None:
    written = connection.scalar(select(catalog_format.c.version))
    if written is None:
        connection.execute(insert(catalog_format).values(version=FORMAT_VERSION))
    elif written > FORMAT_VERSION:
        raise StorageFailed(f"catalog {where} has format {written}, this release reads up to {FORMAT_VERSION}")
