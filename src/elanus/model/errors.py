"""One tree of errors. A class owns its wire code; an instance says what was wrong, given and allowed."""

from __future__ import annotations

from typing import Any, ClassVar


class ElanusError(Exception):
    """An answer that says no.

    code       Milvus' status code
    legacy     the old ``error_code`` enum, still read by clients
    text       the sentence Milvus closes the reason with
    retriable  whether the same call may succeed later
    is_input   whether the caller is at fault
    """

    code: ClassVar[int] = 65535
    legacy: ClassVar[int] = 1
    text: ClassVar[str] = "unexpected error"
    retriable: ClassVar[bool] = False
    is_input: ClassVar[bool] = False

    def __init__(self, message: str = "", /, **named: Any) -> None:
        values = "".join(f"[{name}={value}]" for name, value in named.items())
        closing = self.text + values
        super().__init__(f"{message}: {closing}" if message else closing)

    @property
    def reason(self) -> str:
        """The whole message, outermost part first."""
        return str(self)


class Wrapped(ElanusError):
    """Another error with words put before it; keeps the inner error's code."""

    def __init__(self, prefix: str, inner: ElanusError) -> None:
        Exception.__init__(self, f"{prefix}: {inner}")
        self.inner = inner

    def __getattribute__(self, name: str) -> Any:
        if name in ("code", "legacy", "text", "retriable", "is_input"):
            return getattr(object.__getattribute__(self, "inner"), name)
        return object.__getattribute__(self, name)


# --- the service ---


class NotReady(ElanusError):
    code, legacy, text, retriable = 1, 56, "service not ready", True


class ServiceUnavailable(ElanusError):
    """A service that was called doesn't answer, or says that it can't now."""

    code, text, retriable = 2, "service unavailable", True


class InternalError(ElanusError):
    code, text = 5, "service internal error"


class ResourceInsufficient(ElanusError):
    code, text, retriable = 12, "service resource insufficient", True


# --- collections and partitions ---


class CollectionNotFound(ElanusError):
    code, legacy, text, is_input = 100, 4, "collection not found", True


class CannotFindCollection(CollectionNotFound):
    """The wording that DescribeCollection uses, which ``has_collection`` reads."""

    text = "can't find collection"


class CollectionNotLoaded(ElanusError):
    code, text = 101, "collection not loaded"


class TooManyCollections(ElanusError):
    code, text, is_input = 102, "exceeded the limit number of collections", True


class IllegalSchema(ElanusError):
    code, text, is_input = 105, "illegal collection schema", True


class VectorClusteringKey(ElanusError):
    code, text, is_input = 107, "vector clustering key not allowed", True


class SchemaMismatch(ElanusError):
    code, legacy, text, is_input = 109, 62, "collection schema mismatch", True


class PartitionNotFound(ElanusError):
    code, legacy, text, is_input = 200, 15, "partition not found", True


class PartitionNotLoaded(ElanusError):
    code, text = 201, "partition not loaded"


class CapacityExceeded(ElanusError):
    code, text = 250, "general capacity exceeded"


class ResourceGroupNotFound(ElanusError):
    code, text, is_input = 300, "resource group not found", True


# --- indexes ---


class IndexNotFound(ElanusError):
    code, legacy, text = 700, 25, "index not found"


class IndexDuplicates(ElanusError):
    code, text, is_input = 702, "index duplicates", True


# --- databases ---


class DatabaseNotFound(ElanusError):
    code, text, is_input = 800, "database not found", True


class TooManyDatabases(ElanusError):
    code, text, is_input = 801, "exceeded the limit number of database", True


class InvalidDatabaseName(ElanusError):
    code, text, is_input = 802, "invalid database name", True


# --- storage ---


class StorageFailed(ElanusError):
    """A read or write of the disk or the object store failed."""

    code, text, retriable = 1001, "IO failed", False


class DataCorrupted(ElanusError):
    """Bytes at rest are not those that were written; the message names the file."""

    code, text = 1009, "data integrity check failed"


class DataFolderLocked(ElanusError):
    """Another process has the data folder open; the message says which.

    address  where that process can be reached, empty when it hasn't said
    """

    text = "data folder is in use"

    def __init__(self, message: str, *, address: str = "") -> None:
        super().__init__(message)
        self.address = address


# --- parameters ---


class InvalidParameter(ElanusError):
    code, legacy, text, is_input = 1100, 5, "invalid parameter", True

    @classmethod
    def expected(cls, message: str, *, expected: object, actual: object) -> InvalidParameter:
        """Return the form that says what was expected and what came."""
        return cls(message, expected=expected, actual=actual)

    @classmethod
    def out_of_range(cls, message: str, *, given: object, low: object, high: object) -> InvalidParameter:
        """Return the form that names the range."""
        error = cls()
        error.args = (f"{message}: {cls.text}[{given} out of range {low} <= value <= {high}]",)
        return error


class VersionConflict(InvalidParameter):
    """A conditional write whose rows are not at the versions that it expects; nothing of it is written."""


class MissingParameter(ElanusError):
    code, legacy, text, is_input = 1101, 5, "missing parameter", True


class ParameterTooLarge(ElanusError):
    code, legacy, text, is_input = 1102, 5, "parameter too large", True


# --- names ---


class AliasNotFound(ElanusError):
    code, text, is_input = 1600, "alias not found", True


class AliasNameConflict(ElanusError):
    code, text = 1601, "alias and collection name conflict"


class AliasAlreadyExists(ElanusError):
    code, text = 1602, "alias already exist"


class FieldNotFound(ElanusError):
    code, text, is_input = 1700, "field not found", True

    def __init__(self, name: str, message: str = "") -> None:
        super().__init__(message, field=name)


class FieldNameInvalid(ElanusError):
    code, text = 1701, "field name invalid"


# --- the engine ---


class SearchFailed(ElanusError):
    """The vector engine refused a search; ``segcore`` is the number clients see in the message."""

    code, text, is_input = 2000, "segcore error", True

    def __init__(self, message: str, *, segcore: int) -> None:
        super().__init__(f"{message}[segcoreCode={segcore}]")


class FunctionFailed(ElanusError):
    """A function had no answer: the service it calls refused, or answered what can't be read."""

    code, text = 2400, "function execution failed"


class DeadlineExceeded(ElanusError):
    code, text = 10001, "timeout"
