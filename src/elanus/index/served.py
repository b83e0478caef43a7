"""What answers for a recorded index: files that are built, or what is there anyway."""

from __future__ import annotations

from elanus.index.base import INDEX_KINDS
from elanus.index.create import JSON_CAST_TYPE, MMAP_ENABLED, flattened
from elanus.index.scalar.casts import Cast
from elanus.model.manifest import IndexFile, IndexInfo
from elanus.model.schema import Field
from elanus.model.types import DataType

TYPED_JSON = "typed columns of the JSON paths"


def is_current(file: IndexFile) -> bool:
    """Whether an index file is of the version that is read and written; one of another version is built anew."""
    kind = INDEX_KINDS.find(file.kind)
    return kind is not None and file.version == kind.version


def is_mapped(index: IndexInfo) -> bool:
    """Whether the user asked to leave the index in its file rather than in memory."""
    return str(flattened(index.params).get(MMAP_ENABLED)).lower() == "true"


def is_built(field: Field, index: IndexInfo) -> bool:
    """Whether sealed segments get files of the index at all."""
    return INDEX_KINDS[index.kind].builds(field.vector_type) and not _of_any_json(field, index)


def answered_by(field: Field, index: IndexInfo) -> str:
    """Return what answers, in words."""
    return TYPED_JSON if _of_any_json(field, index) else INDEX_KINDS[index.kind].answered_by(field.vector_type)


def _of_any_json(field: Field, index: IndexInfo) -> bool:
    """Whether the index asks for every type below a path, which segments keep as columns by themselves."""
    return field.type is DataType.JSON and str(flattened(index.params).get(JSON_CAST_TYPE)).upper() == Cast.JSON
