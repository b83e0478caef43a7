"""The database under test, behind one small interface: the engine in this process, or a server through pymilvus."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from pymilvus import DataType as ClientType
from pymilvus import MilvusClient

from elanus.engine import Instance, LocalEngine, collections, data, indexes, partitions, schemas, search
from elanus.engine.base import CollectionName
from elanus.main import flush, open_instance
from elanus.model.columns import Column, arrow_type, vector_array
from elanus.model.ids import FieldId
from elanus.model.schema import VERSION, Field, Schema
from elanus.model.settings import Settings
from elanus.model.types import DataType
from serving import LocalServer

DIM = 4
LENGTH = 64
NAME = "model"
Row = dict[str, Any]
Hit = tuple[Any, float]

INDEX_PARAMS: dict[str, dict[str, int]] = {
    "FLAT": {},
    "IVF_FLAT": {"nlist": 4},
    "HNSW": {"M": 16, "efConstruction": 64},
}
SEARCH_PARAMS: dict[str, dict[str, int]] = {"FLAT": {}, "IVF_FLAT": {"nprobe": 4}, "HNSW": {"ef": 128}}


class Backend(Protocol):
    """What the model drives. Distances are of the inner form: smaller is nearer."""

    def create(self, *, text_keys: bool, shards: int, metric: str) -> None: ...
    def put(self, rows: Sequence[Row], partition: str, *, upsert: bool) -> None: ...
    def update(self, rows: Sequence[Row], partition: str, expected: Sequence[int] | None) -> None: ...
    def versions(self) -> dict[Any, int]: ...
    def delete(self, where: str, partition: str) -> None: ...
    def flush(self) -> None: ...
    def truncate(self) -> None: ...
    def create_index(self, field: str, kind: str, metric: str) -> None: ...
    def drop_index(self, field: str) -> None: ...
    def load(self, names: Sequence[str]) -> None: ...
    def release(self, names: Sequence[str]) -> None: ...
    def create_partition(self, name: str) -> None: ...
    def drop_partition(self, name: str) -> None: ...
    def search(
        self,
        field: str,
        vector: Sequence[float],
        *,
        kind: str,
        limit: int,
        offset: int,
        where: str,
        names: Sequence[str],
    ) -> list[Hit]: ...
    def query(self, where: str, *, limit: int | None, offset: int, names: Sequence[str]) -> list[Row]: ...
    def count(self, where: str, names: Sequence[str]) -> int: ...
    def settle(self) -> None: ...
    def restart(self, *, crash: bool) -> None: ...
    def close(self) -> None: ...


class EngineBackend:
    """Commands on an engine in this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._generation = 0
        self._collection = CollectionName("default", NAME)
        self._open()

    def _open(self) -> None:
        with ExitStack() as parts:
            self._instance: Instance = parts.enter_context(open_instance(self._settings))
            self._parts = parts.pop_all()
        self._engine = LocalEngine(self._instance)

    def create(self, *, text_keys: bool, shards: int, metric: str) -> None:
        key = DataType.VARCHAR if text_keys else DataType.INT64
        fields = (
            _field("id", key, is_primary=True),
            _field("a", DataType.INT64, nullable=True),
            _field("s", DataType.VARCHAR, nullable=True),
            _field("v", DataType.FLOAT_VECTOR),
            _field("w", DataType.FLOAT_VECTOR, nullable=True),
        )
        self._sign = 1.0 if metric == "L2" else -1.0
        self._engine.execute(collections.CreateCollection(self._collection, Schema(fields), shards=shards))

    def _columns(self, rows: Sequence[Row]) -> list[Column]:
        schema = self._engine.execute(schemas.GetSchema(self._collection))
        return [_column(field, [row[field.name] for row in rows]) for field in schema if field.name in rows[0]]

    def put(self, rows: Sequence[Row], partition: str, *, upsert: bool) -> None:
        command = data.Upsert if upsert else data.Insert
        self._engine.execute(command(self._collection, self._columns(rows), len(rows), partition=partition))

    def update(self, rows: Sequence[Row], partition: str, expected: Sequence[int] | None) -> None:
        columns = self._columns(rows)
        if expected is not None:
            columns.append(Column(VERSION, pa.array(expected, type=pa.int64())))
        self._engine.execute(data.Upsert(self._collection, columns, len(rows), partition=partition, partial=True))

    def versions(self) -> dict[Any, int]:
        rows = self.query("", limit=16_384, offset=0, names=(), output_fields=("$version",))
        return {row["id"]: row["$version"] for row in rows}

    def delete(self, where: str, partition: str) -> None:
        self._engine.execute(data.Delete(self._collection, where, partition=partition))

    def flush(self) -> None:
        self._engine.execute(data.Flush("default", (NAME,)))

    def truncate(self) -> None:
        self._engine.execute(collections.TruncateCollection(self._collection))

    def create_index(self, field: str, kind: str, metric: str) -> None:
        params = {"index_type": kind, "metric_type": metric, **INDEX_PARAMS[kind]}
        pairs = tuple((key, str(value)) for key, value in params.items())
        self._engine.execute(indexes.CreateIndex(self._collection, field, field, pairs))

    def drop_index(self, field: str) -> None:
        self._engine.execute(indexes.DropIndex(self._collection, field, field))

    def load(self, names: Sequence[str]) -> None:
        self._engine.execute(partitions.Load(self._collection, tuple(names) or None))

    def release(self, names: Sequence[str]) -> None:
        self._engine.execute(partitions.Release(self._collection, tuple(names) or None))

    def create_partition(self, name: str) -> None:
        self._engine.execute(partitions.CreatePartition(self._collection, name))

    def drop_partition(self, name: str) -> None:
        self._engine.execute(partitions.DropPartition(self._collection, name))

    def search(
        self,
        field: str,
        vector: Sequence[float],
        *,
        kind: str,
        limit: int,
        offset: int,
        where: str,
        names: Sequence[str],
    ) -> list[Hit]:
        matrix = np.asarray([vector], dtype=np.float32)
        command = search.Search(
            collection=self._collection,
            field=field,
            queries=search.Queries(DataType.FLOAT_VECTOR, 1, matrix=matrix),
            limit=limit,
            offset=offset,
            params=SEARCH_PARAMS[kind],
            filter=where,
            partitions=tuple(names),
        )
        result = self._engine.execute(command)
        return list(zip(result.keys.to_pylist(), (self._sign * result.scores).tolist(), strict=True))

    def query(
        self, where: str, *, limit: int | None, offset: int, names: Sequence[str], output_fields: Sequence[str] = ("*",)
    ) -> list[Row]:
        command = search.Query(
            collection=self._collection,
            filter=where,
            limit=limit,
            offset=offset,
            output_fields=output_fields,
            partitions=tuple(names),
        )
        result = self._engine.execute(command)
        columns = {output.column.field.name: output.column.data.to_pylist() for output in result.columns}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def count(self, where: str, names: Sequence[str]) -> int:
        command = search.Query(
            collection=self._collection, filter=where, output_fields=("count(*)",), partitions=tuple(names)
        )
        counted = self._engine.execute(command).count
        assert counted is not None
        return counted

    def settle(self) -> None:
        """Wait until the background has nothing left to do."""
        collection = self._instance.collection(self._collection)
        for job in ("flush", "seal", "maintain"):
            self._instance.services.jobs.wait((collection.id, job))

    def restart(self, *, crash: bool) -> None:
        if not crash:
            flush(self._instance)
            self._parts.close()
        else:
            # A killed process leaves its files and nothing else: they go on elsewhere, its memory is forgotten.
            self._instance.services.jobs.close()
            self._generation += 1
            folder = self._settings.data.with_name(f"{self._settings.data.name}-{self._generation}")
            shutil.copytree(self._settings.data, folder)
            self._parts.close()
            shutil.rmtree(self._settings.data)
            self._settings = replace(self._settings, data=folder)
        self._open()

    def close(self) -> None:
        self._parts.close()
        shutil.rmtree(self._settings.data)


def _field(name: str, kind: DataType, *, is_primary: bool = False, nullable: bool = False) -> Field:
    length = LENGTH if kind is DataType.VARCHAR else 0
    dim = DIM if kind.is_vector else 0
    params = tuple((key, str(value)) for key, value in (("dim", dim), ("max_length", length)) if value)
    return Field(
        id=FieldId(0),
        name=name,
        type=kind,
        dim=dim,
        max_length=length,
        is_primary=is_primary,
        nullable=nullable,
        params=params,
    )


def _column(field: Field, values: list[Any]) -> Column:
    if not field.type.is_dense_vector:
        return Column(field, pa.array(values, type=arrow_type(field)))
    matrix = np.asarray([[0] * DIM if value is None else value for value in values], dtype=np.float32)
    valid = np.asarray([value is not None for value in values])
    return Column(field, vector_array(field, matrix, valid if field.nullable else None))


class ClientBackend:
    """Stock pymilvus on a server with a real port."""

    def __init__(self, settings: Settings) -> None:
        self._server = LocalServer(settings)
        self._client: MilvusClient = self._server.connect()
        self._sign = 1.0

    def create(self, *, text_keys: bool, shards: int, metric: str) -> None:
        schema = self._client.create_schema(auto_id=False)
        schema.add_field(
            "id", ClientType.VARCHAR if text_keys else ClientType.INT64, is_primary=True, **_length(text_keys)
        )
        schema.add_field("a", ClientType.INT64, nullable=True)
        schema.add_field("s", ClientType.VARCHAR, nullable=True, max_length=LENGTH)
        schema.add_field("v", ClientType.FLOAT_VECTOR, dim=DIM)
        schema.add_field("w", ClientType.FLOAT_VECTOR, dim=DIM, nullable=True)
        self._sign = 1.0 if metric == "L2" else -1.0
        self._client.create_collection(NAME, schema=schema, num_shards=shards, consistency_level="Strong")

    def put(self, rows: Sequence[Row], partition: str, *, upsert: bool) -> None:
        write = self._client.upsert if upsert else self._client.insert
        write(NAME, list(rows), partition_name=partition)

    def update(self, rows: Sequence[Row], partition: str, expected: Sequence[int] | None) -> None:
        condition = {} if expected is None else {f"$version in {list(expected)}": "array_append"}
        self._client.upsert(NAME, list(rows), partition_name=partition, partial_update=True, field_ops=condition)

    def versions(self) -> dict[Any, int]:
        rows = self._client.query(NAME, "", output_fields=["$version"], limit=16_384)
        return {row["id"]: row["$version"] for row in rows}

    def delete(self, where: str, partition: str) -> None:
        self._client.delete(NAME, filter=where, partition_name=partition or None)

    def flush(self) -> None:
        self._client.flush(NAME)

    def truncate(self) -> None:
        self._client.truncate_collection(NAME)

    def create_index(self, field: str, kind: str, metric: str) -> None:
        params = self._client.prepare_index_params()
        params.add_index(field, index_type=kind, metric_type=metric, index_name=field, params=INDEX_PARAMS[kind])
        self._client.create_index(NAME, params, sync=False)

    def drop_index(self, field: str) -> None:
        self._client.drop_index(NAME, field)

    def load(self, names: Sequence[str]) -> None:
        if names:
            self._client.load_partitions(NAME, list(names))
        else:
            self._client.load_collection(NAME)

    def release(self, names: Sequence[str]) -> None:
        if names:
            self._client.release_partitions(NAME, list(names))
        else:
            self._client.release_collection(NAME)

    def create_partition(self, name: str) -> None:
        self._client.create_partition(NAME, name)

    def drop_partition(self, name: str) -> None:
        self._client.drop_partition(NAME, name)

    def search(
        self,
        field: str,
        vector: Sequence[float],
        *,
        kind: str,
        limit: int,
        offset: int,
        where: str,
        names: Sequence[str],
    ) -> list[Hit]:
        (found,) = self._client.search(
            NAME,
            [list(map(float, vector))],
            anns_field=field,
            limit=limit,
            filter=where,
            search_params={"params": SEARCH_PARAMS[kind], "offset": offset},
            partition_names=list(names) or None,
        )
        return [(hit["id"], self._sign * hit["distance"]) for hit in found]

    def query(self, where: str, *, limit: int | None, offset: int, names: Sequence[str]) -> list[Row]:
        page = {} if limit is None else {"limit": limit}
        found = self._client.query(
            NAME,
            where,
            output_fields=["*"],
            partition_names=list(names) or None,
            **page,
            **({"offset": offset} if offset else {}),
        )
        return [dict(row) for row in found]

    def count(self, where: str, names: Sequence[str]) -> int:
        found = self._client.query(NAME, where, output_fields=["count(*)"], partition_names=list(names) or None)
        return int(found[0]["count(*)"])

    def settle(self) -> None:
        """Wait until the indexes are built."""
        while any(self._client.describe_index(NAME, field)["state"] != "Finished" for field in ("v", "w")):
            pass

    def restart(self, *, crash: bool) -> None:
        assert not crash, "a server in this process can't be killed"
        self._client.close()
        self._server.restart()
        self._client = self._server.connect()

    def close(self) -> None:
        self._client.close()
        self._server.close()
        shutil.rmtree(self._server.settings.data)


def _length(text_keys: bool) -> dict[str, int]:
    return {"max_length": LENGTH} if text_keys else {}
