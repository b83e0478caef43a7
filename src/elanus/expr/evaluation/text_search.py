"""Searches in analysed text, which only a text index can answer."""

from __future__ import annotations

from typing import NoReturn

from elanus.expr.bound import PhraseMatch, TextMatch
from elanus.expr.evaluation.cost import row_cost
from elanus.expr.evaluation.leaves import evaluate
from elanus.expr.evaluation.source import Source
from elanus.model.errors import InvalidParameter


@evaluate.register(TextMatch)
@evaluate.register(PhraseMatch)
def refuse_text_search(leaf: TextMatch | PhraseMatch, _source: Source) -> NoReturn:
    """Refuse what no index has answered."""
    name = "phrase_match" if isinstance(leaf, PhraseMatch) else "text_match"
    raise InvalidParameter(f"{name} needs a text index, which is not available yet")


@row_cost.register(TextMatch)
@row_cost.register(PhraseMatch)
def text_search_cost(_leaf: TextMatch | PhraseMatch, _source: Source) -> float:
    """Return the cost of splitting a text of some hundred words, should it ever be done by row."""
    return 10_000.0
