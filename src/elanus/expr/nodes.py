"""The tree that a filter's text parses to: names are unresolved, nothing is typed yet.

The nodes are ``msgspec`` structs: a long filter makes many of them, and they are built in a tenth of the time of
dataclasses. They hold texts, numbers and one another, never a cycle, so the garbage collector need not know them.
"""

from __future__ import annotations

import msgspec

from elanus.expr.literals import Scalar
from elanus.model.schema import DYNAMIC_FIELD

Step = str | int


class Node(msgspec.Struct, frozen=True, gc=False):
    """Base of every node."""


class Filter(Node, frozen=True, gc=False):
    """A whole filter: what was written and what it parses to."""

    text: str
    root: Node


class Literal(Node, frozen=True, gc=False):
    """One constant. An integer may be 2**63, which is legal only behind a minus."""

    value: Scalar


class ScalarList(Node, frozen=True, gc=False):
    """A list of plain constants, as long lists are written."""

    values: tuple[Scalar, ...]


class ListOf(Node, frozen=True, gc=False):
    """A list whose elements must fold to constants."""

    items: tuple[Node, ...]


class Template(Node, frozen=True, gc=False):
    """``{name}``: a value given beside the text."""

    name: str


class Path(Node, frozen=True, gc=False):
    """A name and the steps behind it; ``steps`` is empty for a bare name."""

    name: str
    steps: tuple[Step, ...] = ()

    @property
    def is_meta(self) -> bool:
        """Whether the path starts at the dynamic field itself."""
        return self.name == DYNAMIC_FIELD


class StructPath(Node, frozen=True, gc=False):
    """``struct[sub]``, ``struct[0][sub]`` or, with an empty ``name``, ``$[sub]``."""

    name: str
    index: int | None
    sub: str


class Unary(Node, frozen=True, gc=False):
    """``op`` is one of ``+ - ~ not``."""

    op: str
    operand: Node


class Binary(Node, frozen=True, gc=False):
    """A comparison or a step of arithmetic: ``op`` stands between both."""

    op: str
    left: Node
    right: Node


class Equalities(Node, frozen=True, gc=False):
    """``operand == a or operand == b ...``, or when negated ``operand != a and ...``: constants of one type."""

    operand: Path
    values: tuple[Scalar, ...]
    negated: bool


class Logic(Node, frozen=True, gc=False):
    """``op`` is ``and`` or ``or``; a chain of one operator is one node."""

    op: str
    items: tuple[Node, ...]


class Range(Node, frozen=True, gc=False):
    """``low < operand < high``; written in either direction."""

    operand: Node
    low: Node
    high: Node
    low_inclusive: bool
    high_inclusive: bool


class Membership(Node, frozen=True, gc=False):
    """``operand in values``."""

    operand: Node
    values: Node
    negated: bool


class Like(Node, frozen=True, gc=False):
    """``operand like pattern``."""

    operand: Node
    pattern: Node


class Regex(Node, frozen=True, gc=False):
    """``operand =~ pattern``; negated for ``!~``."""

    operand: Node
    pattern: Node
    negated: bool


class NullTest(Node, frozen=True, gc=False):
    """``operand is null``; negated for ``is not null``."""

    operand: Node
    negated: bool


class Exists(Node, frozen=True, gc=False):
    """``exists operand``."""

    operand: Node


class Instant(Node, frozen=True, gc=False):
    """``ISO "..."``."""

    text: str


class Interval(Node, frozen=True, gc=False):
    """``INTERVAL "..."``."""

    text: str


class Call(Node, frozen=True, gc=False):
    """``name(arguments, option=value)``; the name in lower case."""

    name: str
    arguments: tuple[Node, ...]
    options: tuple[tuple[str, Node], ...]
