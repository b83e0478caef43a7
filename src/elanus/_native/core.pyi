"""Types of the native module; what each call promises stands in the wrappers beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from mmap import mmap
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from elanus.model.deadline import Limit

Buffer: TypeAlias = bytes | bytearray | memoryview | mmap | NDArray[Any]
"""Anything C-contiguous that exports its bytes; an Arrow buffer too."""

# --- codec ---

def split_message(body: bytes, field_number: int) -> tuple[bytes, list[tuple[int, int]]]: ...
def decode_field_data(body: bytes, start: int, end: int) -> dict[str, Any]: ...
def encode_field_data(
    name: str,
    data_type: int,
    field_id: int,
    is_dynamic: bool,
    valid: NDArray[np.uint8] | None,
    kind: str,
    dim: int,
    values: NDArray[Any] | None,
    offsets: NDArray[np.int64] | None,
    data: NDArray[np.uint8] | None,
    lists: NDArray[np.int64] | None,
    child_kind: str,
    element_type: int,
    parts: list[bytes],
) -> bytes: ...
def wrap(field_number: int, payloads: list[bytes]) -> bytes: ...
def encode_int_ids(values: NDArray[np.int64]) -> bytes: ...
def encode_str_ids(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> bytes: ...
def encode_floats(field_number: int, values: NDArray[np.float32]) -> bytes: ...
def encode_longs(field_number: int, values: NDArray[np.int64]) -> bytes: ...

# --- bloom ---

BLOOM_BLOCK_BYTES: int

def distinct_hashes(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]: ...
def bloom_build(hashes: NDArray[np.uint64], num_bytes: int) -> NDArray[np.uint8]: ...
def bloom_contains(filter: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> NDArray[np.bool_]: ...
def bloom_contains_any(filter: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> bool: ...

# --- fastscan ---

_FastScanSections: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]

@final
class FastScan:
    """Product codes of a column's rows: any number of readers, one writer at a time."""

    @staticmethod
    def train(
        base: tuple[Buffer, int, int, str], metric: str, keep: Buffer | None, settings: tuple[int, int, int]
    ) -> FastScan: ...
    @staticmethod
    def open(facts: tuple[int, int, int, str], sections: _FastScanSections) -> FastScan: ...
    def facts(self) -> tuple[int, int, int, str]: ...
    def sections(self) -> _FastScanSections: ...
    def num_rows(self) -> int: ...
    def memory_bytes(self) -> int: ...
    def append(self, base: tuple[Buffer, int, int, str], upto: int, keep: Buffer | None, threads: int) -> None: ...
    def search(
        self,
        queries: tuple[Buffer, int, int, str],
        base: tuple[Buffer, int, int, str],
        counts: tuple[int, int, int],
        keep: Buffer | None,
        limit: Limit | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...

# --- filter ---

_Interval: TypeAlias = tuple[Any, Any, bool, bool]
_Texts: TypeAlias = tuple[NDArray[np.int64], NDArray[np.uint8]]
_JsonNumbers: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]

@final
class IntSet:
    """Integers, prepared for look-ups: a list, a table of bits or a hash table. Immutable, safe from any thread."""

    def __init__(self, values: NDArray[np.int64]) -> None: ...

@final
class FloatSet:
    """Doubles, prepared for look-ups; -0.0 is 0.0, NaN is left out."""

    def __init__(self, values: NDArray[np.float64]) -> None: ...

@final
class TextSet:
    """Texts, prepared for look-ups; ValueError for 4 GiB of them."""

    def __init__(self, values: Sequence[str]) -> None: ...

def filter_within(values: NDArray[Any], interval: _Interval) -> NDArray[np.uint8]: ...
def filter_stepped_within(
    values: NDArray[Any], step: tuple[str, int | float], interval: _Interval
) -> NDArray[np.uint8]: ...
def filter_compare_columns(left: NDArray[Any], right: NDArray[Any], op: str) -> NDArray[np.uint8]: ...
def filter_in_ints(values: NDArray[Any], set: IntSet) -> NDArray[np.uint8]: ...
def filter_in_floats(values: NDArray[Any], set: FloatSet) -> NDArray[np.uint8]: ...
def filter_stepped_in_ints(values: NDArray[Any], step: tuple[str, int | float], set: IntSet) -> NDArray[np.uint8]: ...
def filter_stepped_in_floats(
    values: NDArray[Any], step: tuple[str, int | float], set: FloatSet
) -> NDArray[np.uint8]: ...
def filter_texts_with(texts: _Texts, matching: str, text: str) -> NDArray[np.uint8]: ...
def filter_texts_within(texts: _Texts, interval: _Interval) -> NDArray[np.uint8]: ...
def filter_compare_texts(left: _Texts, right: _Texts, op: str) -> NDArray[np.uint8]: ...
def filter_texts_like(texts: _Texts, parts: Sequence[str | bool]) -> NDArray[np.uint8]: ...
def filter_in_texts(texts: _Texts, set: TextSet) -> NDArray[np.uint8]: ...
def filter_json_kinds(kinds: NDArray[np.uint8], mask: int, low: int, high: int) -> NDArray[np.uint8]: ...
def filter_json_within(
    numbers: _JsonNumbers, step: tuple[str, int | float] | None, interval: _Interval
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]: ...
def filter_json_in(
    numbers: _JsonNumbers, step: tuple[str, int | float] | None, ints: IntSet | None, floats: FloatSet
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]: ...
def filter_any_in_runs(offsets: NDArray[np.int64], bits: NDArray[np.uint8]) -> NDArray[np.uint8]: ...
def filter_count_in_runs(
    offsets: NDArray[np.int64], bits: NDArray[np.uint8], low: int, high: int
) -> NDArray[np.uint8]: ...

# --- keys ---

class IntKeyMap:
    """64-bit primary keys to rows, in batches. Any number of readers, one writer at a time.

    About 17 bytes a key at full load, seeded per map against chosen collisions.
    """

    def __init__(self) -> None: ...
    def put(self, keys: NDArray[np.int64], first_row: int) -> NDArray[np.int64]:
        """Put key i at row first_row + i; return the rows the keys had before, -1 for new ones.

        A key that occurs twice ends at the later row, and the later occurrence reports the earlier one's row.
        """

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each key, -1 for those that are not there."""

    def remove(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Remove keys; return the rows they had, -1 for those that were not there."""

    def memory_bytes(self) -> int:
        """Return the bytes held."""

    def __len__(self) -> int: ...

class StrKeyMap:
    """String primary keys to rows, in batches; keys as offsets int64 [n + 1] and data uint8.

    About 25 bytes a key and the key's own at full load, all keys in one arena, seeded per map. Methods are those of
    ``IntKeyMap``; offsets that do not ascend within the data raise ValueError and change nothing.
    """

    def __init__(self) -> None: ...
    def put(self, offsets: NDArray[np.int64], data: NDArray[np.uint8], first_row: int) -> NDArray[np.int64]: ...
    def find(self, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.int64]: ...
    def remove(self, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.int64]: ...
    def memory_bytes(self) -> int: ...
    def __len__(self) -> int: ...

def find_sorted_ints(sorted: NDArray[np.int64], probes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the last row of ``sorted`` equal to each probe, -1 when there is none; ascending probes gallop."""

def find_sorted_strings(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    probe_offsets: NDArray[np.int64],
    probe_data: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Return the last row of the bytewise sorted column equal to each probe, -1 when there is none."""

def argsort_strings(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the rows in ascending order of their bytes; equal rows keep their order."""

def hash_ints(keys: NDArray[np.int64]) -> NDArray[np.uint64]: ...
def hash_strings(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.uint64]: ...

# --- postings ---

def postings_lower_bound(offsets: NDArray[np.int64], data: NDArray[np.uint8], probe: bytes) -> int: ...
def postings_lower_bounds(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    probe_offsets: NDArray[np.int64],
    probe_data: NDArray[np.uint8],
) -> NDArray[np.int64]: ...
def postings_ascends(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> bool: ...
def postings_union(
    rows: NDArray[np.uint32], spans: NDArray[np.int64], num_rows: int
) -> tuple[NDArray[np.int64] | None, NDArray[np.uint8] | None]: ...

# --- time ---

@final
class TimeZone:
    """One time zone, of the bytes of its file (RFC 8536)."""

    def __init__(self, file: bytes) -> None: ...
    @staticmethod
    def utc() -> TimeZone: ...
    def parse(
        self, offsets: NDArray[np.int64], data: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], tuple[int, str] | None]:
        """Instants, and the first row that is none with the reason."""

    def format(self, instants: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]: ...
    def to_local(self, instants: NDArray[np.int64]) -> NDArray[np.int64]: ...

# --- wire ---

class WireServer:
    """gRPC over HTTP/2 on TCP, a Unix socket, or both, from the moment it is made; closed when dropped.

    raises   OSError when an address can't be bound, ValueError without an address or for a Unix path above 107 bytes
    """

    FAST_LANE: ClassVar[int]
    SLOW_LANE: ClassVar[int]

    def __init__(
        self,
        *,
        host: str | None,
        port: int,
        uds: str | None,
        slow_methods: Sequence[str],
        io_threads: int,
        max_waiting: int,
        max_request_bytes: int,
        max_response_bytes: int,
    ) -> None: ...
    @property
    def tcp_address(self) -> tuple[str, int] | None:
        """The bound address, with the real port."""
    @property
    def unix_path(self) -> Path | None:
        """The path of the Unix socket."""
    def next_request(self, lane: int) -> WireCall | None:
        """Block, with the GIL released, until a call arrives in the lane; None once the server is closed."""
    def num_waiting(self, lane: int) -> int:
        """Return how many calls no worker has taken yet."""
    def num_connections(self) -> int:
        """Return how many clients are connected."""
    def wait_until_unused(self, grace_s: float, first_timeout_s: float | None = None) -> bool:
        """Block until clients came and all have been gone for `grace_s`, or none came within `first_timeout_s`.

        returns  True when unused, False when the server was closed meanwhile; signals are seen while it waits
        """
    def drain(self, timeout_s: float) -> bool:
        """Stop accepting, let calls in flight finish, then close; return whether all of them finished."""
    def close(self) -> None:
        """Drop all connections and waiting calls, and release the workers."""

@final
class WireCall:
    """One request, to be answered exactly once; dropped unanswered, it answers INTERNAL."""

    @property
    def protocol(self) -> str:
        """What the client spoke: `grpc`."""
    @property
    def method(self) -> str:
        """The path, `/package.Service/Method`."""
    @property
    def peer(self) -> str:
        """The other end: `address:port`, or `unix`."""
    @property
    def body(self) -> bytes:
        """The message, made contiguous once."""
    @property
    def metadata(self) -> WireMetadata:
        """The ASCII headers."""
    @property
    def cancelled(self) -> bool:
        """Whether the client has gone or cancelled, or its deadline has passed."""
    @property
    def remaining_s(self) -> float | None:
        """Seconds until the client's deadline, at least 0; None without a deadline."""
    @property
    def limit(self) -> CallLimit:
        """Both of these, as searches take them."""
    def respond(self, body: bytes) -> None:
        """Send the response; RuntimeError when the call was answered before."""
    def fail(self, code: int, message: str) -> None:
        """End the call with a gRPC status 1 to 16; RuntimeError when the call was answered before."""

@final
class WireMetadata(Mapping[str, str]):
    """Headers by lower-case name, read where they lie; `-bin` and non-ASCII ones are left out."""

    def __getitem__(self, key: str, /) -> str: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

# --- call limits ---

@final
class CallLimit:
    """Until when a call is worth its work; safe from any thread."""

    def __init__(self, remaining_s: float | None = None) -> None:
        """Begin a call that may take so many seconds, None for any time."""
    def cancel(self) -> None:
        """Say that nobody waits for the answer any more."""
    @property
    def cancelled(self) -> bool:
        """Whether the client has gone or cancelled, or an answer has missed the deadline."""
    @property
    def remaining_s(self) -> float | None:
        """Seconds until the client's deadline, at least 0; None without a deadline."""
    def check(self) -> None:
        """Raise ``model.deadline.Expired`` or ``Cancelled`` when the call is over."""

# --- streams ---

@final
class FlatStream:
    """Exact distances of a column's kept rows to one query, nearest first in batches."""

    @staticmethod
    def dense(query: _Vectors, base: _Vectors, metric: str, keep: Buffer | None, limit: Limit | None) -> FlatStream: ...
    @staticmethod
    def sparse(
        query: tuple[NDArray[np.int64], Buffer],
        base: tuple[NDArray[np.int64], Buffer],
        keep: Buffer | None,
        limit: Limit | None,
    ) -> FlatStream: ...
    def num_rows(self) -> int: ...
    def next(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...

# --- kernels ---

def scan(
    queries: tuple[Buffer, int, int, str],
    base: tuple[Buffer, int, int, str],
    metric: str,
    k: int,
    lengths: NDArray[np.float32] | None,
    options: tuple[Buffer | None, int, int, Limit | None],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def range_scan(
    queries: tuple[Buffer, int, int, str],
    base: tuple[Buffer, int, int, str],
    metric: str,
    range: tuple[float | None, float | None, int | None],
    lengths: NDArray[np.float32] | None,
    options: tuple[Buffer | None, int, int, Limit | None],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]: ...
def scan_sparse(
    queries: tuple[NDArray[np.int64], Buffer],
    base: tuple[NDArray[np.int64], Buffer],
    k: int,
    options: tuple[Buffer | None, int, int, Limit | None],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
def range_scan_sparse(
    queries: tuple[NDArray[np.int64], Buffer],
    base: tuple[NDArray[np.int64], Buffer],
    range: tuple[float | None, float | None, int | None],
    options: tuple[Buffer | None, int, int, Limit | None],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]: ...
def distances_of(
    queries: tuple[Buffer, int, int, str],
    base: tuple[Buffer, int, int, str],
    rows: NDArray[np.int64],
    metric: str,
) -> NDArray[np.float32]: ...
def max_sim(
    queries: tuple[Buffer, int, int, str],
    base: tuple[Buffer, int, int, str],
    metric: str,
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> NDArray[np.float32]: ...
def norms(base: tuple[Buffer, int, int, str]) -> NDArray[np.float32]: ...
def popcount(bits: Buffer, rows: int) -> int: ...
def set_rows(bits: Buffer, rows: int) -> NDArray[np.int64]: ...
def simd_level() -> str: ...
def simd_levels() -> list[str]: ...
def set_simd_level(name: str) -> None: ...

# --- checksum ---

def crc32c(data: Buffer, seed: int = 0) -> int: ...

# --- json ---

_JsonValues: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]

class JsonPaths:
    """The paths of object keys in a JSON column, and those that were chosen. Immutable."""

    def __init__(
        self,
        offsets: NDArray[np.int64],
        data: NDArray[np.uint8],
        limits: tuple[int, int, int],
        least: int,
        most: int,
    ) -> None: ...
    @property
    def complete(self) -> bool: ...
    def kept(self) -> list[tuple[list[str], int, int]]: ...
    def left_out(self) -> list[tuple[list[str], int, int]]: ...
    def read(self, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> list[_JsonValues]: ...

def json_extract_path(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], steps: Sequence[str | int]
) -> _JsonValues: ...
def json_explode(
    kinds: NDArray[np.uint8], offsets: NDArray[np.int64], data: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], _JsonValues]: ...
def json_first_invalid(offsets: NDArray[np.int64], data: NDArray[np.uint8], must_be_object: bool) -> int: ...
def json_find_key(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], names: Sequence[str]
) -> tuple[int, int] | None: ...
def json_project_keys(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], keys: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]: ...
def json_without_key(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], name: str
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]: ...
def json_merge_objects(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    newer_offsets: NDArray[np.int64],
    newer_data: NDArray[np.uint8],
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]: ...

# --- ngram ---

_Postings: TypeAlias = tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint64], NDArray[np.uint8]]

@final
class NgramQuery:
    """The grams that a row must have to match; immutable."""

    @staticmethod
    def of_texts(texts: Sequence[str], min_gram: int, max_gram: int) -> NgramQuery | None:
        """Return the query for rows that contain all texts; None when each is shorter than ``min_gram``."""

    @staticmethod
    def of_regex(pattern: str, min_gram: int, max_gram: int) -> NgramQuery | None:
        """Return the query for rows that an RE2 pattern is found in; None when every row may be one."""

def ngram_build(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    known: NDArray[np.uint8] | None,
    min_gram: int,
    max_gram: int,
    working_bytes: int = ...,
) -> _Postings: ...
def ngram_candidates(postings: _Postings, query: NgramQuery, num_rows: int) -> NDArray[np.uint8]: ...
def ngram_estimate(postings: _Postings, query: NgramQuery, num_rows: int) -> int: ...
def ngram_check(postings: _Postings, num_rows: int) -> None: ...

# --- rtree ---

_Window: TypeAlias = tuple[float, float, float, float]
_Tree: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.float64], NDArray[np.float64]]

def rtree_boxes(
    offsets: NDArray[np.int64], data: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]: ...
def rtree_build(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> _Tree: ...
def rtree_bounds(tree: _Tree) -> list[float]: ...
def rtree_rows(tree: _Tree, window: _Window, test: str, num_rows: int) -> NDArray[np.uint8]: ...
def rtree_points(
    tree: _Tree, window: _Window
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]: ...
def rtree_estimate(tree: _Tree, window: _Window, test: str) -> int: ...

# --- graph ---

_Vectors: TypeAlias = tuple[Buffer, int, int, str]
_Facts: TypeAlias = dict[str, int | float | str]
_Sections: TypeAlias = dict[str, NDArray[Any]]
_Request: TypeAlias = tuple[int, int, int, str, Limit | None]

def graph_build(
    base: _Vectors,
    metric: str,
    settings: tuple[str, int, int, int, int],
    keep: Buffer | None,
    stop: Callable[[], bool] | None,
) -> tuple[_Facts, _Sections] | None: ...

@final
class GraphIndex:
    """A graph opened over arrays that stay where they are."""

    def __init__(self, facts: _Facts, sections: _Sections) -> None: ...
    def search(
        self,
        queries: _Vectors,
        base: _Vectors,
        request: _Request,
        keep: Buffer | None,
        among: tuple[ColumnGraph, Sequence[int]] | None,
    ) -> tuple[tuple[NDArray[np.int64], NDArray[np.float32]], tuple[str, int, int, int, bool]]: ...
    def stream(self, queries: _Vectors, base: _Vectors, ef: int, keep: Buffer | None) -> GraphStream: ...

@final
class GrowingGraph:
    """An index of the first rows of a column that grows."""

    def __init__(
        self, base: _Vectors, metric: str, settings: tuple[int, int, int], most_rows: int, keep: Buffer | None
    ) -> None: ...
    def coded(self) -> int: ...
    def linked(self) -> int: ...
    def memory_bytes(self) -> int: ...
    def encode(self, base: _Vectors, upto: int, keep: Buffer | None) -> None: ...
    def link(self, upto: int, keep: Buffer | None, seconds: float, stop: Callable[[], bool] | None) -> None: ...
    def search(
        self,
        queries: _Vectors,
        base: _Vectors,
        request: tuple[int, int, int, Limit | None],
        keep: Buffer | None,
    ) -> tuple[tuple[NDArray[np.int64], NDArray[np.float32]], tuple[int, int, int, bool]]: ...

KeyBuffers = tuple[Buffer, Buffer | None]
_Located = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]

def merge_hits(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float32], KeyBuffers]],
    offset: int,
    limit: int,
    tolerance: float,
) -> _Located | None: ...

DirectPart = tuple[
    GraphIndex,
    _Vectors,
    KeyBuffers,
    Buffer | None,
    int,
    int,
    tuple[ColumnGraph, Sequence[int]] | None,
]

@final
class DirectSearch:
    """A search that is settled but for its vectors."""

    def __init__(
        self,
        parts: Sequence[DirectPart],
        takes: Sequence[tuple[int, str]],
        page: tuple[int, int],
        order: tuple[float, bool],
    ) -> None: ...
    def run(
        self, body: bytes, start: int, end: int, nq: int, limit: Limit | None
    ) -> tuple[bytes, NDArray[np.int64], NDArray[np.int64]] | None: ...
    def find(self, queries: _Vectors, limit: Limit | None) -> _Located | None: ...

@final
class ColumnGraph:
    """Graphs of a column's values, opened over arrays that stay where they are."""

    def __init__(self, rows: int, width: int, arrays: Sequence[NDArray[np.uint32]]) -> None: ...

def column_graph_build(
    index: GraphIndex,
    base: _Vectors,
    values: Buffer,
    settings: tuple[int, int, float, int, int],
    keep: Buffer | None,
    stop: Callable[[], bool] | None,
) -> dict[str, NDArray[np.uint32]] | None: ...

@final
class GraphStream:
    """A search of one query that can be continued."""

    def next(
        self, index: GraphIndex, base: _Vectors, count: int, limit: Limit | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
