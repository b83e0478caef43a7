"""Searches that were asked before: answered from the bytes of their vectors. See ``elanus.query.settled``."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from elanus._native.direct import Answer
from elanus.engine.base import CollectionName, Command, handles
from elanus.engine.instance import Instance
from elanus.engine.reads import pin
from elanus.query.result import Output
from elanus.query.result_size import SEARCH, fetch_within
from elanus.query.settled import Settled


@dataclass(frozen=True, slots=True, eq=False)
class SettledResult:
    """What a settled search gave.

    columns  output columns, a row a hit
    """

    search: Settled
    answer: Answer
    columns: tuple[Output, ...]
    timezone: str


@dataclass(frozen=True, slots=True)
class SearchAgain(Command[SettledResult | None]):
    """Search with other vectors for what was asked before; None where that takes the long way.

    key   the search's plan key
    body  holds the vectors: a ``PlaceholderGroup`` at ``start .. end``
    nq    how many vectors it says to bring
    """

    collection: CollectionName
    key: Hashable
    body: bytes
    start: int
    end: int
    nq: int


@handles(SearchAgain)
def search_again(instance: Instance, command: SearchAgain) -> SettledResult | None:
    """Run the settled search, if nothing has changed since it was settled."""
    collection = instance.collection(command.collection)
    view, at = pin(collection)
    settled = collection.settled.get(command.key, (view, tuple(at)))
    if settled is None:
        return None
    answer = settled.run(command.body, command.start, command.end, command.nq)
    if answer is None:
        return None
    output = settled.plan.output
    columns: tuple[Output, ...] = ()
    if output.fields:
        batch = fetch_within(SEARCH, settled.segments, answer.parts, answer.rows, output.fields)
        columns = output.columns(batch)
    return SettledResult(settled, answer, columns, view.manifest.timezone)
