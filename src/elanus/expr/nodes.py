"""The tree that a filter's text parses to: names are unresolved, nothing is typed yet."""

from __future__ import annotations

from dataclasses import dataclass

from elanus.model.schema import DYNAMIC_FIELD

Scalar = bool | int | float | str
Step = str | int


class Node:
    """Base of every node."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """A whole filter: what was written and what it parses to."""

    text: str
    root: Node


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """One constant. An integer may be 2**63, which is legal only behind a minus."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class ScalarList(Node):
    """A list of plain constants, as long lists are written."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """A list whose elements must fold to constants."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Template(Node):
    """``{name}``: a value given beside the text."""

    name: str


@dataclass(frozen=True, slots=True)
class Path(Node):
    """A name and the steps behind it; ``steps`` is empty for a bare name."""

    name: str
    steps: tuple[Step, ...] = ()

    @property
    def is_meta(self) -> bool:
        """Whether the path starts at the dynamic field itself."""
        return self.name == DYNAMIC_FIELD


@dataclass(frozen=True, slots=True)
class StructPath(Node):
    """``struct[sub]``, ``struct[0][sub]`` or, with an empty ``name``, ``$[sub]``."""

    name: str
    index: int | None
    sub: str


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``op`` is one of ``+ - ~ not``."""

    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """A comparison or a step of arithmetic: ``op`` stands between both."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """``op`` is ``and`` or ``or``; a chain of one operator is one node."""

    op: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Range(Node):
    """``low < operand < high``; written in either direction."""

    operand: Node
    low: Node
    high: Node
    low_inclusive: bool
    high_inclusive: bool


@dataclass(frozen=True, slots=True)
class Membership(Node):
    """``operand in values``."""

    operand: Node
    values: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Like(Node):
    """``operand like pattern``."""

    operand: Node
    pattern: Node


@dataclass(frozen=True, slots=True)
class Regex(Node):
    """``operand =~ pattern``; negated for ``!~``."""

    operand: Node
    pattern: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class NullTest(Node):
    """``operand is null``; negated for ``is not null``."""

    operand: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """``exists operand``."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Instant(Node):
    """``ISO "..."``."""

    text: str


@dataclass(frozen=True, slots=True)
class Interval(Node):
    """``INTERVAL "..."``."""

    text: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``name(arguments, option=value)``; the name in lower case."""

    name: str
    arguments: tuple[Node, ...]
    options: tuple[tuple[str, Node], ...]
