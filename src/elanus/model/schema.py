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
    struct       the array of structs that it is a sub-field of, empty for a field of its own; ``name`` is then
                 ``struct[sub]``, and a row holds the list of that sub-field's values
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
    struct: str = ""

    @property
    def row_bytes(self) -> int:
        """Bytes of one dense vector; 0 for types without a fixed vector width."""
        return self.dim * VECTOR_VALUE_BITS.get(self.type, 0) // 8

    @property
    def element(self) -> Field:
        """The elements of an ARRAY or ARRAY_OF_VECTOR, as a field with one of them a row."""
        return replace(self, type=self.element_type, element_type=DataType.NONE, max_capacity=0, nullable=False)

    @property
    def vector_type(self) -> DataType:
        """The type of the vectors that are searched: of its elements where it is an ARRAY_OF_VECTOR, else its own."""
        return self.element_type if self.type is DataType.ARRAY_OF_VECTOR else self.type

    @property
    def sub_name(self) -> str:
        """The name within the array of structs; the whole name of a field of its own."""
        return self.name[len(self.struct) + 1 : -1] if self.struct else self.name


VECTOR_VALUE_BITS = {
    DataType.BINARY_VECTOR: 1,
    DataType.FLOAT_VECTOR: 32,
    DataType.FLOAT16_VECTOR: 16,
    DataType.BFLOAT16_VECTOR: 16,
    DataType.INT8_VECTOR: 8,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StructField:
    """An array of structs. Its sub-fields are fields of the schema; in a row all have equally many elements.

    nullable  whether a row may be null; its sub-fields say the same
    params    the type parameters as the user wrote them, echoed by describe
    """

    id: FieldId
    name: str
    description: str = ""
    nullable: bool = False
    params: Pairs = ()


VERSION = Field(id=FieldId(1), name="$version", type=DataType.INT64, description="when the row was written")
"""What every row has besides its fields. User fields can't be called so: their names have no ``$``."""


def sub_field_name(struct: str, sub: str) -> str:
    """Return what a sub-field of an array of structs is called in the schema, and by users."""
    return f"{struct}[{sub}]"


@dataclass(frozen=True)
class Schema:
    """The fields of a collection: those of their own, the hidden dynamic one, the sub-fields of each struct array.

    version  grows with every change of the fields
    structs  the arrays of structs, in declaration order
    """

    fields: tuple[Field, ...]
    description: str = ""
    version: int = 0
    structs: tuple[StructField, ...] = ()

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

    def find_struct(self, name: str) -> StructField | None:
        """Return the array of structs of that name, None when there is none."""
        return next((struct for struct in self.structs if struct.name == name), None)

    def sub_fields(self, struct: StructField) -> tuple[Field, ...]:
        """Return the sub-fields of an array of structs, in declaration order; at least one."""
        return self._by_struct[struct.name]

    @cached_property
    def _by_struct(self) -> dict[str, tuple[Field, ...]]:
        return {
            struct.name: tuple(field for field in self.fields if field.struct == struct.name) for struct in self.structs
        }

    def fields_named(self, name: str) -> tuple[Field, ...]:
        """Return the field of a name, or the sub-fields of the struct array of that name; nothing without either."""
        struct = self.find_struct(name)
        if struct is not None:
            return self.sub_fields(struct)
        field = self.find(name)
        return () if field is None else (field,)

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
        """The declared fields: neither the dynamic one nor the sub-fields of struct arrays."""
        return tuple(field for field in self.fields if not field.is_dynamic and not field.struct)

    @cached_property
    def vectors(self) -> tuple[Field, ...]:
        """The vector fields with one vector a row."""
        return tuple(field for field in self.fields if field.type.is_vector and not field.struct)

    def same_definition(self, other: Schema) -> bool:
        """Whether both define the same collection; ids and versions are not compared."""
        return self.description == other.description and _anonymous(self) == _anonymous(other)


def _anonymous(schema: Schema) -> tuple[tuple[Field, ...], tuple[StructField, ...]]:
    fields = tuple(replace(field, id=FieldId(0)) for field in schema.fields)
    return fields, tuple(replace(struct, id=FieldId(0)) for struct in schema.structs)
