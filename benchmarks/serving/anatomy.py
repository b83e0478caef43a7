"""The kinds of calls whose time inside the server is taken apart, and the tables that say so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pymilvus import RRFRanker
from pymilvus.client.prepare import Prepare

from serving import routes
from serving.bench import SCALAR_OUTPUT, WORDS
from serving.calls import request, search_bytes
from serving.corpus import MOST_QUERIES, Corpus, Filter, K
from serving.process import SERVER_CPU
from serving.profile import ENGINE, PARSE, REST, STAGES, Profile, Profiler
from serving.report import Figures

PART = "inside the server: microseconds a call, bytes to bytes, no wire"
PLAIN = "plain"
PAGE = 1000


def measure(folder: Path, corpus: Corpus, ef: int, figures: Figures, calls: int, *, hybrid: bool) -> list[Profile]:
    """Profile calls on the folder of a server that has been stopped; runs on the server's core.

    calls   how many of the short ones a pass
    hybrid  whether the folder has the collection of two routes
    """
    client_cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CPU})
    try:
        with ExitStack() as parts:
            profiler = Profiler(folder, parts)
            found = _profiles(profiler, corpus, ef, calls, hybrid)
    finally:
        os.sched_setaffinity(0, client_cpus)
    for profile in found:
        figures.most(PART, profile.name, profile.whole_us, "us")
    figures.note(PART, _table(found))
    figures.note(PART, _hottest(found))
    if profiler.missing:
        figures.note(PART, f"stages that aren't there any more: {', '.join(sorted(profiler.missing))}")
    return found


def _profiles(profiler: Profiler, corpus: Corpus, ef: int, calls: int, hybrid: bool) -> list[Profile]:
    plain = search_bytes(corpus, WORDS, ef)
    c10, own = (next(one for one in corpus.filters() if one.name == name and not one.moves) for name in ("c10", "own"))
    moving = next(one for one in corpus.filters() if one.name == "c10" and one.moves)
    texts = calls * 20
    found = [
        profiler.profile(PLAIN, "Search", plain, calls),
        profiler.profile("long way", "Search", plain, calls, settles=False),
        profiler.profile("c10", "Search", _filtered(corpus, c10, ef, len(corpus.queries)), calls),
        profiler.profile("own", "Search", _filtered(corpus, own, ef, len(corpus.queries)), calls),
        profiler.profile("c10, new", "Search", _filtered(corpus, moving, ef, texts), calls),
        profiler.profile("iterator", "Query", _pages(len(corpus.base)), max(3, calls // 50)),
    ]
    if hybrid:
        found.append(profiler.profile("hybrid", "HybridSearch", _hybrid(corpus, ef), calls))
    return found


def _filtered(corpus: Corpus, asked: Filter, ef: int, count: int) -> list[bytes]:
    bodies = []
    for number in range(count):
        at = number % len(corpus.queries)
        text = asked.text(MOST_QUERIES + number, corpus.categories[at])
        made = Prepare.search_requests_with_expr(
            WORDS, anns_field="vector", param={"params": {"ef": ef}}, limit=K, data=[corpus.queries[at]], expr=text
        )
        bodies.append(made.SerializeToString())
    return bodies


def _pages(rows: int) -> list[bytes]:
    """Return pages as the iterator of pymilvus asks for them."""
    firsts = range(0, max(1, rows - PAGE), PAGE)
    options = {"limit": PAGE, "iterator": "True", "reduce_stop_for_best": "True"}
    return [
        Prepare.query_request(WORDS, f"id > {first}", SCALAR_OUTPUT, None, **options).SerializeToString()
        for first in firsts
    ]


def _hybrid(corpus: Corpus, ef: int) -> list[bytes]:
    bodies = []
    for query in corpus.queries:
        parts = [request(query, routes.NAME, ef, name) for name in routes.FIELDS]
        bodies.append(Prepare.hybrid_search_request_with_ranker(routes.NAME, parts, RRFRanker(), K).SerializeToString())
    return bodies


def _table(found: Sequence[Profile]) -> str:
    names = [PARSE, *STAGES, ENGINE, REST]
    lines = ["stages, exclusive of those within" + "".join(f"{one.name:>11s}" for one in found)]
    for name in names:
        if any(name in one.stages for one in found):
            cells = (f"{one.stages[name]:>11.1f}" if name in one.stages else f"{'--':>11s}" for one in found)
            lines.append(f"{name:33s}" + "".join(cells))
    lines.append(f"{'together, stopwatches included':33s}" + "".join(f"{sum(p.stages.values()):>11.1f}" for p in found))
    lines.append(f"{'a call without them':33s}" + "".join(f"{one.whole_us:>11.1f}" for one in found))
    return "\n".join(lines)


def _hottest(found: Sequence[Profile]) -> str:
    lines = ["the hottest functions by CPU time, native work within them"]
    for profile in found:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in profile.sampled[:8])
        lines.append(f"{profile.name}: {shares}")
    return "\n".join(lines)
