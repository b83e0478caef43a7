"""Rows by the thousand: pages of queries and iterators, groups, orders, aggregates and facets over all rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from pymilvus.client import search_result
from pymilvus.client.search_aggregation import SearchAggregation

from serving.bench import SCALAR_OUTPUT, WORDS, Bench, optional
from serving.calls import each
from serving.corpus import K

PAGES, TABLES = "query pages, all scalar fields", "groups, orders and facets over all rows"
PAGE = 5000
ITERATOR_PAGES = (1000, 10_000)
ROUNDS = 3
ITERATED_AIM = 200_000
EF = 128
"""Of the searches; the widest page has 100 hits."""


def pages(bench: Bench) -> None:
    """Measure pages of all scalar fields, and an iterator over all rows."""
    limit = min(PAGE, len(bench.corpus.rows))

    def page(_: int) -> object:
        return bench.client.query(WORDS, filter="id >= 0", output_fields=SCALAR_OUTPUT, limit=limit)

    cpu, elapsed = each(bench.server, page, bench.seconds)
    bench.figures.most(PAGES, f"query of {limit:,} rows, server CPU", cpu, "ms")
    bench.figures.most(PAGES, f"query of {limit:,} rows, elapsed", elapsed, "ms")
    for batch in ITERATOR_PAGES:
        _iterate(bench, batch)


def _iterate(bench: Bench, batch: int) -> None:
    before, count = bench.server.cpu_s(), 0
    for _ in range(ROUNDS if bench.ours else 1):
        iterator = bench.client.query_iterator(WORDS, batch_size=batch, output_fields=SCALAR_OUTPUT)
        while page := iterator.next():
            count += len(page)
        iterator.close()
    spent = bench.server.cpu_s() - before
    aim = ITERATED_AIM if batch == ITERATOR_PAGES[0] else None
    bench.figures.least(PAGES, f"iterator, pages of {batch:,}", count / max(spent, 1e-3), "rows/s of server CPU", aim)


def tables(bench: Bench) -> None:
    """Measure what goes over all rows, and note how ours says that it went about it."""
    for name, call in _calls(bench).items():
        if not optional(bench, TABLES, name, lambda call=call: call(0)):
            continue
        cpu, elapsed = each(bench.server, call, bench.seconds)
        bench.figures.most(TABLES, f"{name}: server CPU", cpu, "ms")
        bench.figures.most(TABLES, f"{name}: p50", elapsed, "ms")
    if bench.ours:
        for name, options in _searches().items():
            bench.figures.note(TABLES, f"{name}: {_plan(bench, options)}")


def _searches() -> dict[str, dict[str, object]]:
    """Return options of searches by name."""
    by_category = SearchAggregation(["lexname"], K, {"mean": {"avg": "u"}}, [{"_count": "desc"}])
    return {
        "search, group_by lexname": {"group_by_field": "lexname", "limit": K},
        "search, group_by lexname, 3 each, strict": {
            "group_by_field": "lexname",
            "group_size": 3,
            "strict_group_size": True,
            "limit": K,
        },
        "search, order_by u desc, limit 100": {
            "order_by_fields": [{"field": "u", "order": "desc"}],
            "limit": 100,
        },
        "search, facets of lexname": {"search_aggregation": by_category},
    }


def _calls(bench: Bench) -> dict[str, Callable[[int], object]]:
    client, queries = bench.client, bench.corpus.queries
    params = {"params": {"ef": EF}}

    def searching(options: dict[str, object]) -> Callable[[int], object]:
        return lambda number: client.search(
            WORDS, [queries[number % len(queries)]], anns_field="vector", search_params=params, **options
        )

    def querying(**options: object) -> Callable[[int], object]:
        return lambda _: client.query(WORDS, **{"filter": "", **options})

    found = {name: searching(options) for name, options in _searches().items()}
    return found | {
        "query, order_by u desc, limit 10": querying(order_by=["u:desc"], limit=10, output_fields=["u"]),
        "query, order_by lemma, u, limit 100": querying(order_by=["lemma", "u:desc"], limit=100, output_fields=["u"]),
        "query, count(*), avg(u), max(word_count)": querying(output_fields=["count(*)", "avg(u)", "max(word_count)"]),
        "query, group_by lexname (45 groups), count, avg": querying(
            group_by_fields=["lexname"], output_fields=["lexname", "count(*)", "avg(u)"]
        ),
        "query, group_by lemma (most groups), first 10": querying(
            group_by_fields=["lemma"], output_fields=["lemma", "count(*)"], limit=10
        ),
    }


def _plan(bench: Bench, options: dict[str, object]) -> str:
    """Return what our server says that it did: its sentence, then the phases' times."""
    told: list[str] = []
    built = search_result.SearchResult.__init__

    def watched(self: Any, res: Any, round_decimal: Any = None, status: Any = None, session_ts: Any = 0) -> None:
        # pymilvus hands on only those keys of the status that it knows.
        told.append(status.extra_info.get("profile", "") if status else "")
        built(self, res, round_decimal, status, session_ts)

    params = {"params": {"ef": EF, "profile": True}}
    query = bench.corpus.queries[0]
    with patch.object(search_result.SearchResult, "__init__", watched):
        bench.client.search(WORDS, [query], anns_field="vector", search_params=params, **options)
    if not told or not told[-1]:
        return "no report came back"
    report = json.loads(told[-1])
    phases = ", ".join(f"{phase['name']} {phase['seconds'] * 1e6:,.0f} us" for phase in report["phases"])
    return f"{report['summary']}\n{phases}"
