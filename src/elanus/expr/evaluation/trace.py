"""What evaluation did, a step a node: how each was answered, rows in and out, time. ``explain`` prints it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from elanus.expr.bound import BoundExpr

SKIPPED: Final = "skipped"
"""How a node was answered that no row was left for."""


@dataclass(slots=True)
class Step:
    """One node of a filter over one source.

    how         what answered: an index by its title, "column", "shredded JSON", "raw JSON", "and", "or", "skipped"
    rows_in     the rows that the node was asked about
    rows_out    those of them that are TRUE
    candidates  the rows that an inexact index left to be looked at, -1 when none had to be
    seconds     wall time, inner steps included
    steps       the inner nodes in the order in which they were evaluated
    """

    node: BoundExpr
    how: str = ""
    rows_in: int = 0
    rows_out: int = 0
    candidates: int = -1
    seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)
