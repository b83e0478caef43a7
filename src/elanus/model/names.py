"""What may be a name. Each check raises the error, and says the words, that clients know from Milvus."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from elanus.model.errors import FieldNameInvalid, InvalidDatabaseName, InvalidParameter
from elanus.model.limits import NAME_BYTES

DEFAULT_DATABASE: Final = "default"
RESERVED_FIELDS: Final = frozenset({"RowID", "Timestamp", "__virtual_pk__"})

_FIRST: Final = re.compile(r"[A-Za-z_]")
_WORD: Final = re.compile(r"[A-Za-z0-9_]*")
_PARTITION_FIRST: Final = re.compile(r"[A-Za-z0-9_]")
_PARTITION: Final = re.compile(r"[A-Za-z0-9_-]*")
_INDEX: Final = re.compile(r"[A-Za-z0-9_\[\]]*")

_LOWER_KEYWORDS: Final = ("$meta", "like", "and", "or", "not", "in")
_TWO_CASE_KEYWORDS: Final = (
    "exists",
    "json_contains",
    "json_contains_all",
    "json_contains_any",
    "array_contains",
    "array_contains_all",
    "array_contains_any",
    "array_length",
    "text_match",
    "phrase_match",
    "random_sample",
)
_BOOLEANS: Final = ("true", "True", "TRUE", "false", "False", "FALSE")
_KEYWORDS: Final = frozenset(
    (*_LOWER_KEYWORDS, *_TWO_CASE_KEYWORDS, *(word.upper() for word in _TWO_CASE_KEYWORDS), *_BOOLEANS)
)


def is_keyword(name: str) -> bool:
    """Whether the filter language reads a name as one of its own words."""
    return name in _KEYWORDS or name.lower() == "null"


def check_collection_name(name: str) -> None:
    """Raise InvalidParameter when a collection can't be called that."""
    _check_collection("name", name)


def check_alias_name(name: str) -> None:
    """Raise InvalidParameter when an alias can't be called that."""
    _check_collection("alias", name)


def _check_collection(what: str, name: str) -> None:
    if not name:
        raise InvalidParameter(f"collection {what} should not be empty")
    given = f"Invalid collection {what}: {name}."
    if _is_long(name):
        raise InvalidParameter(f"{given} the length of a collection {what} must be less than {NAME_BYTES} characters")
    if not _FIRST.match(name):
        raise InvalidParameter(f"{given} the first character of a collection {what} must be an underscore or letter")
    if not _WORD.fullmatch(name):
        raise InvalidParameter(f"{given} collection {what} can only contain numbers, letters and underscores")


def check_database_name(name: str) -> None:
    """Raise InvalidDatabaseName when a database can't be called that."""
    if not name:
        raise InvalidDatabaseName("database name couldn't be empty", database=name)
    if _is_long(name):
        message = f"the length of a database name must be less than {NAME_BYTES} characters"
        raise InvalidDatabaseName(message, database=name)
    if not _FIRST.match(name):
        message = "the first character of a database name must be an underscore or letter"
        raise InvalidDatabaseName(message, database=name)
    if not _WORD.fullmatch(name):
        message = "database name can only contain numbers, letters and underscores"
        raise InvalidDatabaseName(message, database=name)


def check_partition_name(name: str) -> None:
    """Raise InvalidParameter when a partition can't be called that; a first digit and hyphens are fine."""
    trimmed = name.strip()
    given = f"Invalid partition name: {trimmed}."
    if not trimmed:
        raise InvalidParameter(f"{given} Partition name should not be empty.")
    if _is_long(trimmed):
        raise InvalidParameter(f"{given} The length of a partition name must be less than {NAME_BYTES} characters.")
    if not _PARTITION_FIRST.match(trimmed):
        raise InvalidParameter(f"{given} The first character of a partition name must be an underscore or letter.")
    if not _PARTITION.fullmatch(trimmed):
        raise InvalidParameter(f"{given} Partition name can only contain numbers, letters and underscores.")


def check_field_name(name: str) -> None:
    """Raise FieldNameInvalid when a field can't be called that."""
    trimmed = name.strip()
    given = f"Invalid field name: {trimmed}."
    if not trimmed:
        _refuse_field(name, "field name should not be empty")
    if trimmed in RESERVED_FIELDS:
        _refuse_field(name, f"field name {trimmed} is reserved for internal use")
    if is_keyword(trimmed):
        _refuse_field(name, f"{trimmed} is keyword in milvus.")
    if _is_long(trimmed):
        _refuse_field(name, f"{given} The length of a field name must be less than {NAME_BYTES} characters.")
    if not _FIRST.match(trimmed):
        _refuse_field(name, f"{given} The first character of a field name must be an underscore or letter.")
    if not _WORD.fullmatch(trimmed):
        _refuse_field(name, f"{given} Field name can only contain numbers, letters, and underscores.")


def _refuse_field(name: str, message: str) -> NoReturn:
    raise FieldNameInvalid(message, field=name)


def check_index_name(name: str) -> None:
    """Raise InvalidParameter when an index can't be called that; an empty name stands for the field's."""
    trimmed = name.strip()
    given = f"Invalid index name: {trimmed}."
    if not trimmed:
        return
    if _is_long(trimmed):
        raise InvalidParameter(f"{given} The length of an index name must be less than {NAME_BYTES} characters.")
    if not _FIRST.match(trimmed):
        raise InvalidParameter(f"{given} The first character of an index name must be an underscore or letter.")
    if not _INDEX.fullmatch(trimmed):
        raise InvalidParameter(f"{given} Index name can only contain numbers, letters, and underscores.")


def _is_long(name: str) -> bool:
    return len(name.encode()) > NAME_BYTES
