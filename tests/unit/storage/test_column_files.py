"""Column files: every type comes back by field id, vectors are mapped, and plain Parquet readers see the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_columns import all_types, assert_same_column, random_array, random_batch, random_matrix
from storage_faults import flip

from elanus.model.columns import Column, ColumnBatch
from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.manifest import VectorRun
from elanus.model.schema import Field, Schema
from elanus.model.types import DENSE_VECTORS, DataType
from elanus.storage import parquet, vectors
from elanus.storage.local import LocalStore
from elanus.storage.memory import MemoryStore
from elanus.storage.store import AlreadyExists, ObjectNotFound, ObjectStore

SCHEMA = all_types()
DENSE = sorted(DENSE_VECTORS)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def stamps(rows: int) -> np.ndarray:
    return np.arange(rows, dtype=np.uint64) * np.uint64(7) + np.uint64(2**62)


# --- scalars ---


@given(st.integers(0, 60), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_scalars_come_back_as_they_were(rows: int, seed: int) -> None:
    store: ObjectStore = MemoryStore()
    batch = random_batch(SCHEMA, rows, seed)
    info = parquet.write_scalars(store, "s.parquet", SCHEMA.fields, batch, stamps(rows))
    parquet.verify(store, info)
    np.testing.assert_array_equal(parquet.read_timestamps(store, info), stamps(rows))
    for column in batch:
        if not column.field.type.is_dense_vector:
            assert_same_column(parquet.read_scalar_column(store, info, column.field), column)
        elif column.field.nullable:
            expected = column.data.is_valid().to_numpy(zero_copy_only=False)
            np.testing.assert_array_equal(parquet.read_validity(store, info, column.field), expected)
        else:
            assert parquet.read_validity(store, info, column.field) is None


def test_column_longer_than_a_row_group_is_one_array(store: LocalStore) -> None:
    field = Field(id=100, name="id", type=DataType.INT64, is_primary=True)
    rows = 2 * parquet.GROUP_ROWS + 3
    batch = ColumnBatch({100: Column(field, pa.array(np.arange(rows)))}, rows)
    info = parquet.write_scalars(store, "s.parquet", [field], batch, stamps(rows))
    assert pq.ParquetFile(store.local_path("s.parquet")).metadata.num_row_groups == 3
    np.testing.assert_array_equal(parquet.read_scalar_column(store, info, field).numbers(), np.arange(rows))
    assert len(parquet.read_timestamps(store, info)) == rows


def test_renamed_field_is_found_by_id_and_an_added_one_is_default_or_null(store: LocalStore) -> None:
    batch = random_batch(SCHEMA, 9, seed=1)
    info = parquet.write_scalars(store, "s.parquet", SCHEMA.fields, batch, stamps(9))
    renamed = replace(SCHEMA["varchar_none_true"], name="renamed")
    assert_same_column(parquet.read_scalar_column(store, info, renamed), Column(renamed, batch[renamed.id].data))
    added = Field(id=5000, name="int64_none_false", type=DataType.INT64, nullable=True)
    assert parquet.read_scalar_column(store, info, added).data.null_count == 9
    filled = replace(added, default=5)
    assert parquet.read_scalar_column(store, info, filled).data.to_pylist() == [5] * 9


def test_other_readers_see_names_values_and_types(store: LocalStore) -> None:
    schema = Schema(
        (
            Field(id=100, name="id", type=DataType.VARCHAR, is_primary=True),
            Field(id=101, name="_ts", type=DataType.INT8),
            Field(id=102, name="$meta", type=DataType.JSON, is_dynamic=True),
            Field(id=103, name="tags", type=DataType.ARRAY, element_type=DataType.INT16),
            Field(id=104, name="v", type=DataType.FLOAT_VECTOR, dim=2, nullable=True),
            Field(id=105, name="w", type=DataType.FLOAT_VECTOR, dim=2),
        )
    )
    batch = random_batch(schema, 20, seed=4)
    parquet.write_scalars(store, "s.parquet", schema.fields, batch, stamps(20))
    table = pq.read_table(store.local_path("s.parquet"))
    assert table.column_names == ["id", "_ts", "$meta", "tags", "v.valid", "_ts_"]
    assert table["id"].to_pylist() == batch[100].data.to_pylist()
    assert table["$meta"].to_pylist() == [value.decode() for value in batch[102].data.to_pylist()]
    assert table["tags"].to_pylist() == batch[103].data.to_pylist()
    assert table["v.valid"].to_pylist() == batch[104].data.is_valid().to_pylist()
    assert table["_ts_"].to_pylist() == stamps(20).tolist()
    frame = table.to_pandas()
    assert frame["_ts"].tolist() == batch[101].data.to_pylist()


# --- vectors ---


@pytest.mark.parametrize("kind", DENSE)
@pytest.mark.parametrize(("rows", "row_group_bytes"), [(1, 1 << 20), (1000, 1 << 20), (1000, 4096), (3, 1), (0, 4096)])
def test_vectors_are_mapped_as_they_were(store: LocalStore, kind: DataType, rows: int, row_group_bytes: int) -> None:
    field = Field(id=101, name="vec", type=kind, dim=40)
    matrix = random_matrix(field, rows, np.random.default_rng(rows))
    file = parquet.write_vectors(store, "v.parquet", field, matrix, row_group_bytes=row_group_bytes)
    parquet.verify(store, file.file)
    assert file.field == 101
    assert sum(run.rows for run in file.runs) == rows
    assert len(file.runs) == -(-rows // max(1, row_group_bytes // field.row_bytes))
    view = parquet.map_vectors(store, file, field)
    assert (len(view), view.whole().dtype, view.whole().shape) == (rows, matrix.dtype, matrix.shape)
    assert view.whole().tobytes() == matrix.tobytes()
    picked = np.random.default_rng(1).integers(0, max(rows, 1), 50 if rows else 0)
    assert view.take(picked).tobytes() == matrix[picked].tobytes()
    assert view.take(picked).flags.aligned


def test_one_run_is_mapped_without_a_copy_and_outlives_its_file(store: LocalStore) -> None:
    field = Field(id=101, name="vec", type=DataType.FLOAT_VECTOR, dim=8)
    matrix = random_matrix(field, 100, np.random.default_rng(0))
    file = parquet.write_vectors(store, "v.parquet", field, matrix)
    view = parquet.map_vectors(store, file, field)
    assert view.whole() is view.runs[0]
    assert not view.whole().flags.owndata
    assert not view.whole().flags.writeable
    store.delete(["v.parquet"])
    assert view.whole().tobytes() == matrix.tobytes()


@pytest.mark.parametrize("kind", DENSE)
def test_other_readers_see_the_same_vectors(store: LocalStore, kind: DataType) -> None:
    field = Field(id=101, name="vec", type=kind, dim=16)
    matrix = random_matrix(field, 300, np.random.default_rng(2))
    parquet.write_vectors(store, "v.parquet", field, matrix, row_group_bytes=2000)
    column = pq.read_table(store.local_path("v.parquet"))["vec"].combine_chunks()
    if kind in (DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR):
        values = column.flatten().to_numpy(zero_copy_only=False)
        assert values.tobytes() == matrix.tobytes()
        schema = pq.ParquetFile(store.local_path("v.parquet")).schema
        assert (schema.column(0).max_definition_level, schema.column(0).max_repetition_level) == (1, 1)
    else:
        assert b"".join(column.to_pylist()) == matrix.tobytes()


def test_sliced_matrix_is_written_as_the_slice(store: LocalStore) -> None:
    field = Field(id=101, name="vec", type=DataType.FLOAT_VECTOR, dim=4)
    matrix = random_matrix(field, 100, np.random.default_rng(3))[10:90:3]
    file = parquet.write_vectors(store, "v.parquet", field, matrix)
    assert parquet.map_vectors(store, file, field).whole().tobytes() == matrix.tobytes()


@pytest.mark.parametrize("rows", [[-1], [5], [0, 100]])
def test_row_outside_is_refused(store: LocalStore, rows: list[int]) -> None:
    field = Field(id=101, name="vec", type=DataType.FLOAT_VECTOR, dim=4)
    file = parquet.write_vectors(store, "v.parquet", field, np.zeros((5, 4), "<f4"))
    with pytest.raises(IndexError, match="0 to 4"):
        parquet.map_vectors(store, file, field).take(np.array(rows))


def test_vectors_that_do_not_lie_where_they_should_are_not_committed(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = Field(id=101, name="vec", type=DataType.FLOAT_VECTOR, dim=4)
    matrix = random_matrix(field, 10, np.random.default_rng(4))
    real = vectors._runs_of

    def shifted(metadata: object, field: Field) -> list[VectorRun]:
        return [VectorRun(run.offset - 1, run.rows) for run in real(metadata, field)]

    monkeypatch.setattr(vectors, "_runs_of", shifted)
    with pytest.raises(StorageFailed, match=r"v\.parquet do not lie where they should"):
        parquet.write_vectors(store, "v.parquet", field, matrix)
    assert list(store.list("")) == []


# --- deletes and damage ---


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_deletes_come_back_as_they_were(store: LocalStore, count: int) -> None:
    rows = np.random.default_rng(count).integers(0, 2**40, count)
    info = parquet.write_deletes(store, "d.parquet", rows, stamps(count))
    found_rows, found_stamps = parquet.read_deletes(store, info)
    np.testing.assert_array_equal(found_rows, rows)
    np.testing.assert_array_equal(found_stamps, stamps(count))
    assert (found_rows.dtype, found_stamps.dtype) == (np.int64, np.uint64)


def test_flipped_byte_anywhere_is_reported_with_the_files_name(store: LocalStore) -> None:
    field = Field(id=101, name="vec", type=DataType.FLOAT_VECTOR, dim=2)
    column = Column(field, random_array(field, 4, np.random.default_rng(5)))
    files = [
        parquet.write_vectors(store, "v.parquet", field, column.matrix()).file,
        parquet.write_deletes(store, "d.parquet", np.arange(3), stamps(3)),
    ]
    for info in files:
        path = store.local_path(info.key)
        for offset in range(0, info.size, 3):
            flip(path, offset)
            with pytest.raises(DataCorrupted, match=str(path)):
                parquet.verify(store, info)
            flip(path, offset)
        parquet.verify(store, info)


def test_file_that_is_no_parquet_is_reported_with_its_name(store: LocalStore) -> None:
    info = parquet.write_deletes(store, "d.parquet", np.arange(3), stamps(3))
    path = store.local_path("d.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataCorrupted, match=str(path)):
        parquet.read_deletes(store, info)
    with pytest.raises(ObjectNotFound, match=r"gone\.parquet"):
        parquet.read_deletes(store, replace(info, key="gone.parquet"))


def test_newer_format_is_refused(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "FORMAT_VERSION", 2)
    info = parquet.write_deletes(store, "d.parquet", np.arange(3), stamps(3))
    monkeypatch.undo()
    with pytest.raises(StorageFailed, match=r"d\.parquet has format 2, this release reads up to 1"):
        parquet.read_deletes(store, info)


def test_file_is_never_overwritten(store: LocalStore) -> None:
    parquet.write_deletes(store, "d.parquet", np.arange(3), stamps(3))
    with pytest.raises(AlreadyExists):
        parquet.write_deletes(store, "d.parquet", np.arange(4), stamps(4))
