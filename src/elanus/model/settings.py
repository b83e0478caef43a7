"""One frozen tree of settings, a section for each layer; each section is handed to its layer and no further."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from elanus.model import limits


@dataclass(frozen=True, slots=True)
class WalSettings:
    """The write-ahead log."""

    streams: int = 4
    """Log streams of the server; shards are hashed onto them."""
    segment_bytes: int = 64 * 2**20
    """Size at which a stream begins a new file, so that flushed ones can be removed."""
    pin_bytes: int = 1024 * 2**20
    """Log size past which the shards that hold its oldest records are flushed."""


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """Growing and sealed segments."""

    seal_bytes: int = 512 * 2**20
    """Bytes of a growing segment at which it is sealed and written."""
    seal_after_s: float = 10.0
    """Age at which a growing segment with rows enough for an index is sealed and written."""
    row_group_bytes: int = 1024 * 2**20
    """Most bytes of a row group in a vector column file; vectors in one row group are mapped as one matrix."""
    merge_below_rows: int = 200_000
    """Sealed segments of fewer rows are merged into larger ones before they are indexed."""
    merge_at: int = 4
    """How many small segments of a partition start a merge."""
    typed_json_rows: int = limits.INDEX_MIN_ROWS
    """Rows from which on the JSON of a sealed segment is also written as typed columns."""
    json_cache_bytes: int = 256 * 2**20
    """Bytes of typed JSON values that filters keep in memory, of all collections together."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The network."""

    host: str = "127.0.0.1"
    """Address to listen on. There is no authentication yet: one that others can reach asks for `insecure`."""
    port: int = 19530
    """Port to listen on; 0 takes a free one."""
    insecure: bool = False
    """Serve without authentication on an address that other machines can reach."""
    uds: Path | None = None
    """Serve on this Unix socket instead of a port."""
    message_bytes: int = limits.MESSAGE_BYTES
    """Largest request accepted."""
    reply_bytes: int = limits.REPLY_BYTES
    """Largest reply sent."""
    queue: int = limits.QUEUE
    """Calls that may wait for a worker, per lane."""
    workers: int = 4
    """Threads that answer calls."""
    slow_workers: int = 16
    """Threads that answer calls which wait: load, flush."""
    drain_s: float = 30.0
    """How long a stopping server lets calls in flight finish."""
    io_threads: int = 1
    """Threads of the native network loop."""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Background work."""

    builders: int = 1
    """Threads that build indexes and merge segments; one more writes segments, so a flush never waits for a build."""
    build_threads: int = 0
    """Threads of one index build, at a lower priority than searches; 0 takes half of the cores. The same data gives the
    same graph on one thread only."""
    index_min_rows: int = limits.INDEX_MIN_ROWS
    """Segments of fewer rows are scanned exactly instead of indexed."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret that functions refer to by its name."""

    apikey: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """A service that runs models.

    enable      whether functions may use it
    credential  name of the credential it is called with, empty for the environment's
    url         where it is, empty for its public address
    """

    enable: bool = True
    credential: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """Models that functions call: rerankers, and scoring from files."""

    credentials: dict[str, Credential] = field(default_factory=dict)
    """API keys by the names that functions refer to them by: `{team: {apikey: ...}}`."""
    rerankers: dict[str, ProviderSettings] = field(default_factory=dict)
    """Settings of rerank providers by their names: `enable`, `credential`, `url`."""
    hosts: str = ""
    """Hosts that functions may name in an endpoint, separated by commas; empty for any."""
    timeout_s: float = 30.0
    """How long a call to a provider may take, all its tries together."""
    retry_after_s: float = 1.0
    """Wait before a failed call is tried again; it doubles before the third and last try."""
    parallel_calls: int = 4
    """Calls to a provider that one search has under way at a time."""
    resources: Path | None = None
    """Folder of the files that functions name as their model."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the server says about itself, on standard error."""

    level: str = "info"
    """The least that is logged: debug, info, warning or error."""
    form: str = "text"
    """text for people, json for machines."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    data: Path = Path("./elanus-data")
    """The data folder."""
    wal: WalSettings = field(default_factory=WalSettings)
    segment: SegmentSettings = field(default_factory=SegmentSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    functions: FunctionSettings = field(default_factory=FunctionSettings)
    log: LogSettings = field(default_factory=LogSettings)
