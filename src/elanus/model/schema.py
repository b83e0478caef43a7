"""Fields and schemas: frozen, comparable, and written to manifests as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from elanus.model.errors import FieldNotFound
from elanus.model.ids import FieldId
from elanus.model.types import DataType

FIRST_FIELD_ID = FieldId(100)
DYNAMIC_FIELD = "$meta"

DefaultValue = bool | int | float | str
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a schema.

    dim          values of a dense vector; bits of a binary one; 0 for every other type
    max_length   bytes of UTF-8 that a VARCHAR (or a VARCHAR array's element) may hold; 0 elsewhere
    max_capacity elements that an ARRAY may hold; 0 elsewhere
    params       the type parameters as the user wrote them, echoed by describe
    """

    id: FieldId
    name: str
    type: DataType
    description: str = ""
    element_type: DataType = DataType.NONE
    dim: int = 0
    max_length: int = 0
    max_capacity: int = 0
    nullable: bool = False
    default: DefaultValue | None = None
    is_primary: bool = False
    auto_id: bool = False
    is_partition_key: bool = False
    is_clustering_key: bool = False
    is_dynamic: bool = False
    params: Pairs = ()

    @property
    def row_bytes(self) -> int:
        """Bytes of one dense vector; 0 for types without a fixed vector width."""
        return self.dim * VECTOR_VALUE_BITS.get(self.type, 0) // 8


VECTOR_VALUE_BITS = {
    DataType.BINARY_VECTOR: 1,
    DataType.FLOAT_VECTOR: 32,
    DataType.FLOAT16_VECTOR: 16,
    DataType.BFLOAT16_VECTOR: 16,
    DataType.INT8_VECTOR: 8,
}


@dataclass(frozen=True)
class Schema:
    """The fields of a collection in declaration order, the hidden dynamic field last when there is one.

    version  grows with every change of the fields
    """

    fields: tuple[Field, ...]
    description: str = ""
    version: int = 0

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    @cached_property
    def _by_id(self) -> dict[int, Field]:
        return {field.id: field for field in self.fields}

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Field:
        try:
            return self._by_name[name]
        except KeyError:
            raise FieldNotFound(name) from None

    def find(self, name: str) -> Field | None:
        """Return the field of that name, None when there is none."""
        return self._by_name.get(name)

    def by_id(self, field_id: int) -> Field:
        """Return the field of that id; KeyError when there is none."""
        return self._by_id[field_id]

    @cached_property
    def primary(self) -> Field:
        """The primary-key field."""
        return next(field for field in self.fields if field.is_primary)

    @cached_property
    def dynamic(self) -> Field | None:
        """The hidden JSON field that takes undeclared keys, None when the dynamic field is off."""
        return next((field for field in self.fields if field.is_dynamic), None)

    @cached_property
    def partition_key(self) -> Field | None:
        """The field whose hash picks the partition, None without one."""
        return next((field for field in self.fields if field.is_partition_key), None)

    @cached_property
    def user_fields(self) -> tuple[Field, ...]:
        """The declared fields: all but the dynamic one."""
        return tuple(field for field in self.fields if not field.is_dynamic)

    @cached_property
    def vectors(self) -> tuple[Field, ...]:
        """The vector fields."""
        return tuple(field for field in self.fields if field.type.is_vector)

    def same_definition(self, other: Schema) -> bool:
        """Whether both define the same collection; ids and versions are not compared."""
        return self.description == other.description and _anonymous(self) == _anonymous(other)


def _anonymous(schema: Schema) -> tuple[Field, ...]:
    return tuple(replace(field, id=FieldId(0)) for field in schema.fields)
