"""Filtered searches beside the plain one, over pymilvus: the same filter again and again, and a constant that moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from serving.bench import WORDS, Bench
from serving.calls import loop, search_of
from serving.corpus import MOST_QUERIES, Filter, K

PART = "filters"
TIMES = 1.3


def measure(bench: Bench) -> None:
    """Measure each filter at the width that reaches the recall."""
    figures, server = bench.figures, bench.server
    plain = loop(server, search_of(server, bench.corpus, WORDS, bench.ef), bench.seconds)
    figures.most(PART, "plain search, p50", plain.p50_ms, "ms")
    figures.most(PART, "plain search, server CPU", plain.cpu_us, "us")
    for asked in bench.corpus.filters():
        name = f"{asked.name}, new constants" if asked.moves else asked.name
        ef, reached = bench.enough_ef(asked)
        figures.least(PART, f"{name}: recall@10", reached, "", 0.95)
        figures.most(PART, f"{name}: ef for that recall", ef, "")
        found = loop(server, lambda asked=asked, ef=ef: _searching(bench, asked, ef), bench.seconds)
        figures.most(PART, f"{name}: p50", found.p50_ms, "ms")
        figures.most(PART, f"{name}: time, times the plain one's", plain.qps / found.qps, "", TIMES)
        figures.most(PART, f"{name}: server CPU", found.cpu_us, "us")
        figures.most(PART, f"{name}: server CPU, times the plain one's", found.cpu_us / plain.cpu_us, "")


def _searching(bench: Bench, asked: Filter, ef: int) -> Callable[[int], object]:
    """Return searches whose constants go on where those for the recall ended."""
    corpus, options = bench.corpus, {"params": {"ef": ef}}
    count = itertools.count(MOST_QUERIES)

    def one(number: int) -> object:
        at = number % len(corpus.queries)
        text = asked.text(next(count), corpus.categories[at])
        return bench.client.search(WORDS, [corpus.queries[at]], filter=text, limit=K, search_params=options)

    return one
