"""Tokens to a tree: operator precedence by binding powers, one handler an operator.

Chains of ``and`` and ``or`` of any length are one node and no recursion. Everything else may nest ``FILTER_DEPTH``
deep: the recursion of the parser and the height of the tree are both bounded, so that no later walk can exhaust the
stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from elanus.expr import lexer, literals
from elanus.expr.lexer import END, FLOAT, INT, INTS, NULL_TEST, OP, RAW, STRING, STRINGS, WORD, Token
from elanus.expr.nodes import (
    Binary,
    Call,
    Exists,
    Filter,
    Instant,
    Interval,
    Like,
    ListOf,
    Literal,
    Logic,
    Membership,
    Node,
    NullTest,
    Path,
    Range,
    Regex,
    ScalarList,
    Step,
    StructPath,
    Template,
    Unary,
)
from elanus.expr.syntax import FilterError, failure, refused_at
from elanus.model import limits

CACHED_CHARACTERS = 16_384
"""Texts up to this length keep their trees; longer ones would fill the memory with lists of values."""

(_OR, _AND, _BIT_OR, _BIT_XOR, _BIT_AND, _EQUAL, _RELATION, _IN, _SHIFT, _SUM, _PRODUCT, _UNARY, _POWER, _MATCH) = (
    range(1, 15)
)

_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SPELLED = {"&&": "and", "||": "or", "!": "not"}
_RESERVED = frozenset(word for name in ("and", "or", "in", "like", "not", "exists") for word in (name, name.upper()))


def parse(text: str) -> Filter:
    """Return the tree of a filter; of an empty one the constant true.

    raises  InvalidParameter that shows the text and says where reading it failed
    cost    about 2 us a token; texts up to ``CACHED_CHARACTERS`` are kept (the 1024 last used)
    """
    return _parse_cached(text) if len(text) <= CACHED_CHARACTERS else _parse(text)


def _parse(text: str) -> Filter:
    try:
        text.encode()
        return Filter(text, _Parser(text).whole())
    except UnicodeEncodeError:
        raise failure(text, FilterError("the text is not valid UTF-8")) from None
    except FilterError as error:
        raise failure(text, error) from None


_parse_cached = lru_cache(maxsize=1024)(_parse)


class _Parser:
    """One text on its way. ``height`` is that of the node built last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = lexer.tokenize(text)
        self.index = 0
        self.height = 0
        self.num_nodes = 0

    def whole(self) -> Node:
        if self.tokens[0].kind == END:
            return Literal(True)
        root = self.expression(0, 0)
        if self.tokens[self.index].kind != END:
            raise self.mismatched("<EOF>")
        return root

    def expression(self, power: int, depth: int) -> Node:
        """Read an operand and every operator behind it that binds tighter than ``power``."""
        if depth > limits.FILTER_DEPTH:
            raise FilterError(f"the expression nests deeper than {limits.FILTER_DEPTH} levels")
        token = self.tokens[self.index]
        self.index += 1
        self.height = 1
        self.count(1)
        left = _PREFIXES.get(token.text if token.kind == OP else token.kind, _Parser.unexpected)(self, token, depth)
        return self.operators(left, power, depth)

    def operators(self, left: Node, power: int, depth: int) -> Node:
        """Read the operators behind ``left`` that bind tighter than ``power``."""
        while True:
            token = self.tokens[self.index]
            operator = _INFIXES.get(_operator_name(token))
            if operator is None or operator[0] <= power:
                return left
            height = self.height
            self.index += 1
            self.count(1)
            left = operator[1](self, left, token, depth)
            self.height = max(height, self.height) + 1
            if self.height > limits.FILTER_DEPTH:
                raise FilterError(f"the expression nests deeper than {limits.FILTER_DEPTH} levels")

    def count(self, nodes: int) -> None:
        self.num_nodes += nodes
        if self.num_nodes > limits.FILTER_NODES:
            raise FilterError(f"the expression has more than {limits.FILTER_NODES} terms")

    def next_is(self, text: str) -> bool:
        token = self.tokens[self.index]
        return token.kind == OP and token.text == text

    def skip(self, text: str) -> bool:
        if self.next_is(text):
            self.index += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.skip(text):
            raise self.mismatched(f"'{text}'")

    def mismatched(self, expected: str) -> FilterError:
        token = self.tokens[self.index]
        shown = token.text if len(token.text) <= 40 else token.text[:40] + "..."
        return refused_at(self.text, token.position, f"mismatched input '{shown}' expecting {expected}")

    # --- operands ---

    def unexpected(self, _token: Token, _depth: int) -> Node:
        self.index -= 1
        raise self.mismatched("an operand")

    def int_literal(self, token: Token, _depth: int) -> Node:
        return Literal(literals.integer(token.text))

    def float_literal(self, token: Token, _depth: int) -> Node:
        return Literal(literals.floating(token.text))

    def string_literal(self, token: Token, _depth: int) -> Node:
        return Literal(literals.string(lexer.body(token)))

    def raw_literal(self, token: Token, _depth: int) -> Node:
        return Literal(lexer.body(token))

    def int_list(self, token: Token, _depth: int) -> Node:
        values = lexer.integers(token)
        self.count(len(values))
        return ScalarList(values)

    def string_list(self, token: Token, _depth: int) -> Node:
        values = lexer.strings(token)
        self.count(len(values))
        return ScalarList(values)

    def list_of(self, _token: Token, depth: int) -> Node:
        items = self.items("]", depth)
        return ListOf(items)

    def items(self, closing: str, depth: int) -> tuple[Node, ...]:
        """Read expressions between commas up to ``closing``; one comma may follow the last."""
        items: list[Node] = []
        height = 0
        while not self.skip(closing):
            items.append(self.expression(0, depth + 1))
            height = max(height, self.height)
            if not self.skip(","):
                self.expect(closing)
                break
        self.height = height + 1
        return tuple(items)

    def group(self, _token: Token, depth: int) -> Node:
        inner = self.expression(0, depth + 1)
        self.expect(")")
        return inner

    def template(self, _token: Token, _depth: int) -> Node:
        name = self.word()
        self.expect("}")
        return Template(name)

    def word(self) -> str:
        token = self.tokens[self.index]
        if token.kind != WORD or token.text.startswith("$"):
            raise self.mismatched("an identifier")
        self.index += 1
        return token.text

    def sign(self, token: Token, depth: int) -> Node:
        operand = self.expression(_UNARY, depth + 1)
        if token.text == "-" and isinstance(operand, Literal) and type(operand.value) in (int, float):
            return Literal(-operand.value)  # type: ignore[operator]  # neither a text nor a boolean
        self.height += 1
        return Unary(token.text, operand)

    def negation(self, _token: Token, depth: int) -> Node:
        operand = self.expression(_UNARY, depth + 1)
        if _is_column(operand):
            # NOT binds tighter than comparisons, which leaves no legal reading here: take the one SQL gives.
            operand = self.operators(operand, _BIT_AND, depth + 1)
        self.height += 1
        return Unary("not", operand)

    def exists(self, _token: Token, depth: int) -> Node:
        operand = self.expression(_MATCH, depth + 1)
        self.height += 1
        return Exists(operand)

    def element(self, _token: Token, _depth: int) -> Node:
        self.expect("[")
        sub = self.word()
        self.expect("]")
        return StructPath("", None, sub)

    def named(self, token: Token, depth: int) -> Node:
        """Read what a word starts: a constant, a prefix operator, a call or a path."""
        text = token.text
        if text in _TRUTH:
            return Literal(_TRUTH[text])
        lowered = text.lower()
        prefix = _WORD_PREFIXES.get(lowered)
        if prefix is not None and (text in _RESERVED or self.starts_operand()):
            return prefix(self, token, depth)
        following = self.tokens[self.index]
        if text in _RESERVED:
            return self.unexpected(token, depth)
        if lowered in _TIMES and following.kind == STRING:
            self.index += 1
            return _TIMES[lowered](literals.string(lexer.body(following)))
        if following.kind == OP and following.text == "(":
            return self.call(lowered, depth)
        return self.path(text)

    def starts_operand(self) -> bool:
        """Whether the next token can only stand behind a prefix operator, never behind a name."""
        token = self.tokens[self.index]
        if token.kind == OP:
            return token.text in ("(", "{", "~")
        return token.kind in (INT, FLOAT, STRING, RAW) or (token.kind == WORD and _operator_name(token) not in _INFIXES)

    def call(self, name: str, depth: int) -> Node:
        self.index += 1
        arguments: list[Node] = []
        options: list[tuple[str, Node]] = []
        height = 0
        while not self.skip(")"):
            option = self.option()
            argument = self.expression(0, depth + 1)
            height = max(height, self.height)
            if option is None:
                arguments.append(argument)
            else:
                options.append((option, argument))
            if not self.skip(","):
                self.expect(")")
                break
        self.height = height + 1
        return Call(name, tuple(arguments), tuple(options))

    def option(self) -> str | None:
        """Read ``name =`` in front of an option's value."""
        name, equals = (
            self.tokens[self.index : self.index + 2] if self.tokens[self.index].kind == WORD else (None, None)
        )
        if name is None or equals is None or equals.text != "=":
            return None
        self.index += 2
        return name.text.lower()

    def path(self, name: str) -> Node:
        steps: list[Step] = []
        while self.skip("["):
            token = self.tokens[self.index]
            if token.kind == WORD:
                return self.struct_path(name, steps)
            steps.append(self.step(token))
            self.index += 1
            self.expect("]")
        return Path(name, tuple(steps))

    def step(self, token: Token) -> Step:
        if token.kind == INT and token.text.isdecimal() and len(token.text) < 19:
            return int(token.text)
        if token.kind not in (STRING, RAW):
            raise self.mismatched("a key in quotes or an index")
        body = lexer.body(token)
        key = body if token.kind == RAW else literals.key(body)
        if not key:
            raise FilterError(f"invalid identifier: {token.text}")
        return key

    def struct_path(self, name: str, steps: list[Step]) -> Node:
        sub = self.word()
        self.expect("]")
        index = steps[0] if steps else None
        if len(steps) > 1 or isinstance(index, str):
            raise FilterError(f'json key must be enclosed in double quotes or single quotes: "{sub}"')
        return StructPath(name, index, sub)

    # --- operators; each gets the operand on its left ---

    def binary(self, left: Node, token: Token, depth: int) -> Node:
        return Binary(token.text, left, self.expression(_INFIXES[token.text][0], depth + 1))

    def relation(self, left: Node, token: Token, depth: int) -> Node:
        """Read a comparison, or a chained range when a second one of the same direction follows."""
        middle = self.expression(_RELATION, depth + 1)
        second = self.tokens[self.index]
        if second.kind != OP or second.text[0] != token.text[0] or second.text not in _RELATIONS:
            return Binary(token.text, left, middle)
        self.index += 1
        height = self.height
        right = self.expression(_RELATION, depth + 1)
        self.height = max(height, self.height)
        first_closed, second_closed = token.text.endswith("="), second.text.endswith("=")
        if token.text[0] == "<":
            return Range(middle, left, right, first_closed, second_closed)
        return Range(middle, right, left, second_closed, first_closed)

    def logic(self, left: Node, token: Token, depth: int) -> Node:
        """Read a whole chain of one operator."""
        name = _operator_name(token)
        power = _INFIXES[name][0]
        items = [left]
        height = 0
        while True:
            items.append(self.expression(power, depth + 1))
            height = max(height, self.height)
            if _operator_name(self.tokens[self.index]) != name:
                break
            self.index += 1
        self.height = height
        return Logic(name, tuple(items))

    def membership(self, left: Node, _token: Token, depth: int) -> Node:
        return Membership(left, self.expression(_IN, depth + 1), negated=False)

    def negated_membership(self, left: Node, _token: Token, depth: int) -> Node:
        following = self.tokens[self.index]
        if following.kind != WORD or following.text.lower() != "in":
            raise self.mismatched("'in'")
        self.index += 1
        return Membership(left, self.expression(_IN, depth + 1), negated=True)

    def like(self, left: Node, _token: Token, depth: int) -> Node:
        return Like(left, self.expression(_MATCH, depth + 1))

    def regex(self, left: Node, token: Token, depth: int) -> Node:
        """Read a pattern, where backslashes mostly stand for themselves."""
        pattern = self.tokens[self.index]
        if pattern.kind == STRING:
            self.index += 1
            self.height = 1
            return Regex(left, Literal(literals.regex_string(lexer.body(pattern))), token.text == "!~")
        return Regex(left, self.expression(_MATCH, depth + 1), token.text == "!~")

    def null_test(self, left: Node, token: Token, _depth: int) -> Node:
        return NullTest(left, negated="not" in token.text.lower())


def _operator_name(token: Token) -> str:
    """The operator that a token may stand for behind an operand; words count in any case."""
    if token.kind == OP:
        return _SPELLED.get(token.text, token.text)
    return token.text.lower() if token.kind == WORD else token.kind


def _is_column(node: Node) -> bool:
    return isinstance(node, Path) or (isinstance(node, Call) and node.name == "array_length")


_RELATIONS = ("<", "<=", ">", ">=")
_TIMES: Mapping[str, Callable[[str], Node]] = {"iso": Instant, "interval": Interval}

_Prefix = Callable[[_Parser, Token, int], Node]
_Infix = Callable[[_Parser, Node, Token, int], Node]

_WORD_PREFIXES: Mapping[str, _Prefix] = {"not": _Parser.negation, "exists": _Parser.exists}

_PREFIXES: Mapping[str, _Prefix] = {
    INT: _Parser.int_literal,
    FLOAT: _Parser.float_literal,
    STRING: _Parser.string_literal,
    RAW: _Parser.raw_literal,
    WORD: _Parser.named,
    INTS: _Parser.int_list,
    STRINGS: _Parser.string_list,
    "[": _Parser.list_of,
    "(": _Parser.group,
    "{": _Parser.template,
    "$": _Parser.element,
    "+": _Parser.sign,
    "-": _Parser.sign,
    "~": _Parser.sign,
    "!": _Parser.negation,
}

_INFIXES: Mapping[str, tuple[int, _Infix]] = {
    "or": (_OR, _Parser.logic),
    "and": (_AND, _Parser.logic),
    "|": (_BIT_OR, _Parser.binary),
    "^": (_BIT_XOR, _Parser.binary),
    "&": (_BIT_AND, _Parser.binary),
    "==": (_EQUAL, _Parser.binary),
    "!=": (_EQUAL, _Parser.binary),
    **dict.fromkeys(_RELATIONS, (_RELATION, _Parser.relation)),
    "in": (_IN, _Parser.membership),
    "not": (_IN, _Parser.negated_membership),
    "<<": (_SHIFT, _Parser.binary),
    ">>": (_SHIFT, _Parser.binary),
    "+": (_SUM, _Parser.binary),
    "-": (_SUM, _Parser.binary),
    "*": (_PRODUCT, _Parser.binary),
    "/": (_PRODUCT, _Parser.binary),
    "%": (_PRODUCT, _Parser.binary),
    "**": (_POWER, _Parser.binary),
    "like": (_MATCH, _Parser.like),
    "=~": (_MATCH, _Parser.regex),
    "!~": (_MATCH, _Parser.regex),
    NULL_TEST: (_MATCH + 1, _Parser.null_test),
}
