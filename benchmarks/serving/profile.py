"""Where the time of a call goes inside the server: bytes to bytes through the dispatcher, in this process, no wire.

Stages are functions and methods of ours, found by name in whatever module has them, and timed by a clock around each;
their times exclude those of stages within. One that isn't there any more is named, and its time falls to its caller.
The hottest functions are sampled by CPU time in passes of their own: native work counts for the function that calls it.
"""

from __future__ import annotations

import itertools
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any
from unittest.mock import patch

from elanus.engine import LocalEngine
from elanus.main import open_instance
from elanus.model.settings import Settings
from elanus.query.settled import SettledSearches
from elanus.server.dispatch import Dispatcher
from elanus.server.grpc.rpc import RPCS

STAGES = {
    "shape": ("shape_of", "shape_of_routes"),
    "decode vectors": ("queries_of", "parse_queries"),
    "snapshot": ("snapshot", "pin"),
    "plan": ("plan_search", "_plan", "plan_query"),
    "filter": ("passing", "_by_keys"),
    "native search": ("DirectSearch.run", "DirectSearch.find", "Graph.search", "scan", "range_scan"),
    "search": ("retrieve", "search_segments"),
    "merge": ("merge", "gather_keys"),
    "fuse, order": ("HybridPlan.rank", "staged", "select_ordered", "tabulate"),
    "select": ("select_first", "select_rows"),
    "fetch": ("fetch",),
    "settle": ("SettledSearches.offer",),
    "encode": ("_encode_settled", "encode_result"),
}
PARSE, ENGINE, REST = "parse", "engine, else", "dispatcher, else"
ROUNDS = 5
SAMPLE_S = 0.002
MOST_SAMPLED = 12


@dataclass(slots=True)
class Stopwatch:
    """Exclusive times of nested stages, seconds."""

    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _stack: list[str] = field(default_factory=lambda: [REST])
    _since: float = 0.0

    def begin(self) -> None:
        """Forget everything and start."""
        self.spent.clear()
        self._since = time.perf_counter()

    def book(self) -> None:
        """Book the time since the last note on the stage that runs."""
        now = time.perf_counter()
        self.spent[self._stack[-1]] += now - self._since
        self._since = now

    def timed(self, stage: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose time is booked on a stage."""

        def watched(*arguments: Any, **named: Any) -> Any:
            self.book()
            self._stack.append(stage)
            try:
                return run(*arguments, **named)
            finally:
                self.book()
                self._stack.pop()

        return watched


@dataclass(frozen=True, slots=True)
class Profile:
    """What one kind of call spends.

    whole_us  a call without any stopwatch, the best of some passes
    stages    microseconds a call, of the best pass with stopwatches
    sampled   the hottest functions and their share of the samples
    """

    name: str
    whole_us: float
    stages: dict[str, float]
    sampled: list[tuple[str, float]]


class Profiler:
    """Answers calls in this process from a data folder that no server has open."""

    def __init__(self, folder: Path, parts: ExitStack) -> None:
        instance = parts.enter_context(open_instance(Settings(data=folder)))
        self._engine = LocalEngine(instance)
        self.missing: set[str] = set()

    def profile(
        self, name: str, method: str, requests: Sequence[bytes], count: int, *, settles: bool = True
    ) -> Profile:
        """Return where the time of calls goes; ``count`` calls a pass, the requests one after the other.

        settles  whether searches that are asked again may take the short way
        """
        path = f"/milvus.proto.milvus.MilvusService/{method}"
        bodies = itertools.cycle(requests)
        with ExitStack() as patches:
            if not settles:
                patches.enter_context(patch.object(SettledSearches, "get", lambda *_: None))
            dispatch = Dispatcher(self._engine)

            def run(dispatcher: Callable[..., bytes]) -> float:
                begun = time.perf_counter()
                for body in itertools.islice(bodies, count):
                    dispatcher(path, {}, body)
                return time.perf_counter() - begun

            run(dispatch)
            whole = min(run(dispatch) for _ in range(ROUNDS)) / count
            watch = Stopwatch()
            with self._watched(watch, path):
                stages = min(
                    (_stages(watch, run, dispatch, count) for _ in range(ROUNDS)), key=lambda s: sum(s.values())
                )
            sampled = _sampled(lambda: run(dispatch), max(1, int(1.5 / (whole * count))))
        return Profile(name, whole * 1e6, stages, sampled)

    @contextmanager
    def _watched(self, watch: Stopwatch, path: str) -> Iterator[None]:
        found = RPCS[path]
        rpc = replace(found, parse=watch.timed(PARSE, found.parse), run=found.run)
        with ExitStack() as patches:
            patches.enter_context(patch.dict(RPCS, {path: rpc}))
            patches.enter_context(patch.object(LocalEngine, "execute", watch.timed(ENGINE, LocalEngine.execute)))
            for stage, names in STAGES.items():
                for name in names:
                    places = list(_places(name))
                    if not places:
                        self.missing.add(name)
                    for owner, attribute, run in places:
                        patches.enter_context(patch.object(owner, attribute, watch.timed(stage, run)))
            yield


def _stages(
    watch: Stopwatch, run: Callable[[Callable[..., bytes]], float], dispatch: Callable[..., bytes], count: int
) -> dict[str, float]:
    watch.begin()
    run(dispatch)
    watch.book()
    return {stage: spent / count * 1e6 for stage, spent in watch.spent.items()}


def _places(name: str) -> Iterator[tuple[object, str, Callable[..., Any]]]:
    """Yield every module or class that has the function of ours under a name, and the name there."""
    owner, _, attribute = name.rpartition(".")
    modules = [module for key, module in list(sys.modules.items()) if key.startswith("elanus") and _is_module(module)]
    if owner:
        classes = {vars(module)[owner] for module in modules if isinstance(vars(module).get(owner), type)}
        for one in classes:
            if attribute in vars(one) and one.__module__ != "elanus._native.core":
                yield one, attribute, vars(one)[attribute]
        return
    for module in modules:
        run = vars(module).get(attribute)
        if callable(run) and not isinstance(run, type) and getattr(run, "__module__", "").startswith("elanus"):
            yield module, attribute, run


def _is_module(module: object) -> bool:
    return isinstance(module, ModuleType)


def _sampled(run: Callable[[], object], passes: int) -> list[tuple[str, float]]:
    """Return the functions that CPU time is spent in, by samples of the main thread."""
    seen: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        if frame is not None:
            module = str(frame.f_globals.get("__name__", "")).removeprefix("elanus.")
            seen[f"{module}.{frame.f_code.co_qualname}"] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
    try:
        for _ in range(passes):
            run()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    total = max(1, seen.total())
    return [(name, count / total) for name, count in seen.most_common(MOST_SAMPLED)]
