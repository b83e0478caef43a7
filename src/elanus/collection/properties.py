"""The properties of collections and databases: which values are allowed. Unknown keys are kept as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from elanus._native.time import zone
from elanus.model.errors import IllegalSchema, InvalidParameter
from elanus.model.limits import MAX_COLLECTIONS_KEY, TTL_SECONDS_MAX
from elanus.model.manifest import TIMEZONE, TTL_FIELD
from elanus.model.params import parse_bool
from elanus.model.schema import Schema
from elanus.model.types import DataType

TTL_SECONDS: Final = "collection.ttl.seconds"
QUERY_MODE: Final = "query_mode"
LARGE_TOP_K: Final = "large_topk"
ISOLATION: Final = "partitionkey.isolation"
ALLOW_INSERT_AUTO_ID: Final = "allow_insert_auto_id"
DYNAMIC_FIELD_ENABLED: Final = "dynamicfield.enabled"
REPLICAS: Final = "collection.replica.number"
CIPHER_ENABLED: Final = "cipher.enabled"
MMAP_ENABLED: Final = "mmap.enabled"
WARMUP: Final = "warmup"
WARMUP_POLICIES: Final = ("disable", "sync", "async")
COLLECTION_WARMUPS: Final = tuple(
    f"{WARMUP}.{what}" for what in ("scalarField", "scalarIndex", "vectorField", "vectorIndex")
)
BOOLEANS: Final = (ISOLATION, ALLOW_INSERT_AUTO_ID, "collection.autocompaction.enabled", DYNAMIC_FIELD_ENABLED)

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")


def parse_integer(text: str) -> int | None:
    """Return the integer that a text spells, nothing around it; None for anything else."""
    return int(text) if _INTEGER.fullmatch(text) else None


def check_collection_properties(properties: Mapping[str, str], schema: Schema) -> None:
    """Raise InvalidParameter for a value that is not allowed, IllegalSchema for one that the schema rules out."""
    for key in BOOLEANS:
        if key in properties:
            parse_bool(key, properties[key])
    _check_spelling(properties)
    _check_ttl(properties, schema)
    _check_warmup(properties)
    _check_timezone(properties)
    check_mmap(properties)
    _check_keys(properties, schema)
    check_count(properties, REPLICAS)
    _refuse_unavailable(properties)


def check_database_properties(properties: Mapping[str, str]) -> None:
    """Raise InvalidParameter for a value that a database can't have."""
    _check_timezone(properties)
    check_count(properties, MAX_COLLECTIONS_KEY)
    check_count(properties, "database.replica.number")
    _refuse_unavailable(properties)


def check_timezone(name: str) -> None:
    """Raise InvalidParameter when a time zone is none that IANA knows."""
    try:
        zone(name)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _check_timezone(properties: Mapping[str, str]) -> None:
    if TIMEZONE in properties:
        check_timezone(properties[TIMEZONE])


def check_mmap(params: Mapping[str, str]) -> None:
    """Raise InvalidParameter when ``mmap.enabled`` is no boolean."""
    value = params.get(MMAP_ENABLED, "true")
    if value.lower() not in ("true", "false"):
        raise InvalidParameter(f"invalid {MMAP_ENABLED} value: {value}, expected: true, false")


def check_warmup_policy(policy: str) -> None:
    """Raise InvalidParameter when a warm-up policy is none that exists."""
    if policy not in WARMUP_POLICIES:
        allowed = ", ".join(WARMUP_POLICIES)
        raise InvalidParameter(f"invalid warmup policy: {policy}, valid values: [{allowed}]")


def check_count(properties: Mapping[str, str], key: str) -> None:
    """Raise InvalidParameter when a property that counts something is not a whole number."""
    if key in properties:
        count = parse_integer(properties[key])
        if count is None or count < 0:
            raise InvalidParameter(f"the value for {key} must be a non-negative integer, got {properties[key]}")


def flag(properties: Mapping[str, str], key: str) -> bool:
    """Return a boolean property, false when it is absent."""
    return key in properties and parse_bool(key, properties[key])


def _check_spelling(properties: Mapping[str, str]) -> None:
    for key in properties:
        if key != QUERY_MODE and key.lower() == QUERY_MODE:
            raise InvalidParameter(f'invalid property key "{key}", did you mean "{QUERY_MODE}"?')
    mode = properties.get(QUERY_MODE, LARGE_TOP_K)
    if mode != LARGE_TOP_K:
        raise InvalidParameter(f'invalid query_mode value "{mode}", valid values: [{LARGE_TOP_K}]')


def _check_ttl(properties: Mapping[str, str], schema: Schema) -> None:
    given = properties.get(TTL_SECONDS)
    if given is not None:
        seconds = parse_integer(given)
        if seconds is None:
            raise InvalidParameter(f"collection TTL is not a valid positive integer, got {given}")
        if not -1 <= seconds <= TTL_SECONDS_MAX:
            raise InvalidParameter(f"collection TTL is out of range, expect [-1, {TTL_SECONDS_MAX}], got {seconds}")
    name = properties.get(TTL_FIELD)
    if name is None:
        return
    if given is not None:
        raise InvalidParameter("collection TTL and ttl field cannot be set at the same time")
    if name not in schema:
        raise InvalidParameter(f"ttl field name {name} not found in schema")
    if schema[name].type is not DataType.TIMESTAMPTZ:
        raise InvalidParameter(f"ttl field must be timestamptz, field name = {name}")


def _check_warmup(properties: Mapping[str, str]) -> None:
    if WARMUP in properties:
        raise InvalidParameter(f"warmup key '{WARMUP}' is only allowed at field level")
    for key in COLLECTION_WARMUPS:
        if key in properties:
            check_warmup_policy(properties[key])


def _check_keys(properties: Mapping[str, str], schema: Schema) -> None:
    if flag(properties, ISOLATION) and schema.partition_key is None:
        raise IllegalSchema("partition key isolation mode is enabled but no partition key field is set")
    if flag(properties, ALLOW_INSERT_AUTO_ID) and not schema.primary.auto_id:
        raise InvalidParameter(f"the value for {ALLOW_INSERT_AUTO_ID} must be false when autoID is false")
    if DYNAMIC_FIELD_ENABLED in properties and flag(properties, DYNAMIC_FIELD_ENABLED) != (schema.dynamic is not None):
        raise InvalidParameter(f"{DYNAMIC_FIELD_ENABLED} differs from the schema's enable_dynamic_field")


# Keys whose effect a user would rely on, and that have none here.
_UNAVAILABLE: Final[Mapping[str, Callable[[str], bool]]] = {
    "collection.external_source": bool,
    "collection.external_spec": bool,
    CIPHER_ENABLED: lambda value: value.lower() == "true",
}


def _refuse_unavailable(properties: Mapping[str, str]) -> None:
    for key, asks in _UNAVAILABLE.items():
        if asks(properties.get(key, "")):
            raise InvalidParameter(f"{key} is not available yet")
