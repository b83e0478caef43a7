"""Tokens to a tree: operator precedence by binding powers, one rule an operator.

Chains of ``and`` and ``or`` of any length are one node and no recursion. Everything else may nest ``FILTER_DEPTH``
deep: the recursion of the parser and the height of the tree are both bounded, so that no later walk can exhaust the
stack.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from functools import lru_cache

from elanus.expr import lexer, literals
from elanus.expr.lexer import END, QUOTES
from elanus.expr.literals import Scalar
from elanus.expr.nodes import (
    Binary,
    Call,
    Equalities,
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
from elanus.expr.syntax import TOO_DEEP, FilterError, failure, too_many
from elanus.model import limits

CACHED_CHARACTERS = 16_384
"""Texts up to this length keep their trees; longer ones would fill the memory with lists of values."""

_END, _OR, _AND, _BIT_OR, _BIT_XOR, _BIT_AND, _EQUAL, _RELATION = range(8)
_IN, _SHIFT, _SUM, _PRODUCT, _UNARY, _POWER, _MATCH, _NULL_TEST = range(8, 16)

_DIGITS = frozenset(string.digits)


def parse(text: str) -> Filter:
    """Return the tree of a filter; of an empty one the constant true.

    raises  InvalidParameter that shows the text and says where reading it failed
    cost    about 1 us a token; texts up to ``CACHED_CHARACTERS`` are kept (the 1024 last used)
    """
    return _parse_cached(text) if len(text) <= CACHED_CHARACTERS else _parse(text)


def _parse(text: str) -> Filter:
    try:
        text.encode()
        return Filter(text, _Parser(text).whole())
    except UnicodeEncodeError:
        raise failure(text, FilterError("the text is not valid UTF-8")) from None
    except RecursionError:
        raise failure(text, FilterError(TOO_DEEP)) from None
    except FilterError as error:
        raise failure(text, error) from None


_parse_cached = lru_cache(maxsize=1024)(_parse)


class _Parser:
    """One text on its way. ``height`` is that of the node built last."""

    __slots__ = ("height", "index", "num_nodes", "text", "tokens")

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = lexer.tokenize(text)
        self.index = 0
        self.height = 0
        self.num_nodes = 0
        self.count(_num_nodes(self.tokens))

    def whole(self) -> Node:
        if self.tokens[0] == END:
            return Literal(True)
        root = self.expression(0, 0)
        if self.tokens[self.index] != END:
            raise self.mismatched("<EOF>")
        return root

    def expression(self, power: int, depth: int, left: Node | None = None) -> Node:
        """Read an operand (``left``, when it is read already) and every operator behind it tighter than ``power``."""
        if depth > limits.FILTER_DEPTH:
            raise FilterError(TOO_DEEP)
        tokens = self.tokens
        if left is None:
            token = tokens[self.index]
            self.index += 1
            self.height = 1
            if token == "(":
                left = self.expression(0, depth + 1)
                self.expect(")")
            else:
                left = _OPERANDS.get(token[:1], _Parser.unexpected)(self, token, depth)
        while True:
            operator = _INFIXES.get(tokens[self.index]) or _respelled(tokens[self.index])
            if operator[0] <= power:
                return left
            height = self.height
            self.index += 1
            left = operator[2](self, left, operator[1], depth)
            self.height = max(height, self.height) + 1
            if self.height > limits.FILTER_DEPTH:
                raise FilterError(TOO_DEEP)

    def count(self, nodes: int) -> None:
        self.num_nodes += nodes
        if self.num_nodes > limits.FILTER_NODES:
            raise FilterError(too_many())

    def skip(self, token: str) -> bool:
        if self.tokens[self.index] == token:
            self.index += 1
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.skip(token):
            raise self.mismatched(f"'{token}'")

    def mismatched(self, expected: str) -> FilterError:
        return lexer.mismatched(self.text, self.tokens, self.index, expected)

    # --- operands; each gets its first token, which is read ---

    def unexpected(self, _token: str, _depth: int) -> Node:
        self.index -= 1
        raise self.mismatched("an operand")

    def number(self, token: str, _depth: int) -> Node:
        if token == ".":
            return self.unexpected(token, _depth)
        return Literal(literals.number(token))

    def string(self, token: str, _depth: int) -> Node:
        if len(token) == 1:
            return self.unexpected(token, _depth)
        return Literal(_string(token))

    def listing(self, token: str, depth: int) -> Node:
        """Read a list; one comma may follow the last element."""
        if len(token) > 1:
            values = lexer.constants(token)
            self.count(len(values))
            return ScalarList(values)
        items: list[Node] = []
        height = 0
        while not self.skip("]"):
            items.append(self.expression(0, depth + 1))
            height = max(height, self.height)
            if not self.skip(","):
                self.expect("]")
                break
        self.height = height + 1
        return ListOf(tuple(items))

    def template(self, _token: str, _depth: int) -> Node:
        name = self.word()
        self.expect("}")
        return Template(name)

    def word(self) -> str:
        token = self.tokens[self.index]
        if not _is_word(token):
            raise self.mismatched("an identifier")
        self.index += 1
        return token

    def sign(self, token: str, depth: int) -> Node:
        operand = self.expression(_UNARY, depth + 1)
        if token == "-" and type(operand) is Literal and type(operand.value) in (int, float):
            return Literal(-operand.value)  # type: ignore[operator]  # neither a text nor a boolean
        self.height += 1
        return Unary(token, operand)

    def bang(self, token: str, depth: int) -> Node:
        return self.negation(token, depth) if token == "!" else self.unexpected(token, depth)

    def negation(self, _token: str, depth: int) -> Node:
        operand = self.expression(_UNARY, depth + 1)
        if _is_column(operand):
            # NOT binds tighter than comparisons, which leaves no legal reading here: take the one SQL gives.
            operand = self.expression(_BIT_AND, depth + 1, operand)
        self.height += 1
        return Unary("not", operand)

    def exists(self, _token: str, depth: int) -> Node:
        operand = self.expression(_MATCH, depth + 1)
        self.height += 1
        return Exists(operand)

    def dollar(self, token: str, _depth: int) -> Node:
        """Read ``$[sub]``, an element's field, or ``$meta``."""
        if len(token) > 1:
            return self.path(token)
        self.expect("[")
        sub = self.word()
        self.expect("]")
        return StructPath("", None, sub)

    def named(self, token: str, depth: int) -> Node:
        """Read what a word starts: a string with a prefix, a constant, a prefix operator, a call or a path."""
        if token[-1] in QUOTES:
            return Literal(_string(token))
        reserved = _RESERVED.get(token)
        if reserved is not None:
            return reserved(self, token, depth)
        following = self.tokens[self.index]
        soft = _SOFT.get(token.lower())
        if soft is not None and _starts_operand(following):
            return soft(self, token, depth)
        if not token.isidentifier():
            return self.unexpected(token, depth)
        return self.call(token.lower(), depth) if following == "(" else self.path(token)

    def truth(self, token: str, _depth: int) -> Node:
        return Literal(token in ("true", "True", "TRUE"))

    def time(self, token: str, depth: int) -> Node:
        following = self.tokens[self.index]
        if not following.endswith(QUOTES) or len(following) == 1 or lexer.is_raw(following):
            return self.path(token) if following != "(" else self.call(token.lower(), depth)
        self.index += 1
        return (Instant if token.lower() == "iso" else Interval)(_string(following))

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
        name = self.tokens[self.index]
        if not _is_word(name) or self.tokens[self.index + 1] != "=":
            return None
        self.index += 2
        return name.lower()

    def path(self, name: str) -> Node:
        tokens = self.tokens
        steps: list[Step] = []
        while tokens[self.index] == "[":
            self.index += 1
            if _is_word(tokens[self.index]):
                return self.struct_path(name, steps)
            steps.append(self.step(tokens[self.index]))
            self.index += 1
            self.expect("]")
        return Path(name, tuple(steps))

    def step(self, token: str) -> Step:
        if token[:1] in _DIGITS and token.isdecimal() and len(token) < 19 and (token[0] != "0" or token == "0"):
            return int(token)
        if not token.endswith(QUOTES) or len(token) == 1:
            raise self.mismatched("a key in quotes or an index")
        key = lexer.body(token) if lexer.is_raw(token) else literals.key(lexer.body(token))
        if not key:
            raise FilterError(f"invalid identifier: {token}")
        return key

    def struct_path(self, name: str, steps: list[Step]) -> Node:
        sub = self.word()
        self.expect("]")
        index = steps[0] if steps else None
        if len(steps) > 1 or isinstance(index, str):
            raise FilterError(f'json key must be enclosed in double quotes or single quotes: "{sub}"')
        return StructPath(name, index, sub)

    # --- operators; each gets the operand on its left and its own name, and is read ---

    def binary(self, left: Node, op: str, depth: int) -> Node:
        return Binary(op, left, self.expression(_INFIXES[op][0], depth + 1))

    def relation(self, left: Node, op: str, depth: int) -> Node:
        """Read a comparison, or a chained range when a second one of the same direction follows."""
        middle = self.expression(_RELATION, depth + 1)
        second = self.tokens[self.index]
        if second not in _RELATIONS or second[0] != op[0]:
            return Binary(op, left, middle)
        self.index += 1
        height = self.height
        right = self.expression(_RELATION, depth + 1)
        self.height = max(height, self.height)
        first_closed, second_closed = op.endswith("="), second.endswith("=")
        if op[0] == "<":
            return Range(middle, left, right, first_closed, second_closed)
        return Range(middle, right, left, second_closed, first_closed)

    def logic(self, left: Node, name: str, depth: int) -> Node:
        """Read a whole chain of one operator."""
        power = _INFIXES[name][0]
        items = [left]
        height = 0
        while True:
            begun = self.index
            item = self.expression(power, depth + 1)
            height = max(height, self.height)
            items.append(self.equalities(item, name, begun) if type(item) is Binary else item)
            operator = _INFIXES.get(self.tokens[self.index]) or _respelled(self.tokens[self.index])
            if operator[1] != name:
                break
            self.index += 1
        self.height = height
        return Logic(name, tuple(items))

    def equalities(self, item: Binary, name: str, begun: int) -> Node:
        """Read on while the chain repeats an equality, token by token, with other constants of its type."""
        op = _CHAINED[name]
        first, tokens, at = item.right, self.tokens, self.index
        if item.op != op or tokens[at - 2] != op or type(first) is not Literal or type(item.left) is not Path:
            return item
        head, width = tokens[begun : at - 1], at - begun + 1
        values = [first.value]
        while _SPELLINGS.get(tokens[at]) == name and tokens[at + 1 : at + width - 1] == head:
            value = _constant(tokens[at + width - 1])
            if type(value) is not type(first.value) or tokens[at + width] not in _CHAIN_ENDS:
                break
            values.append(value)
            at += width
        self.index = at
        return Equalities(item.left, tuple(values), op == "!=") if len(values) > 1 else item

    def membership(self, left: Node, _op: str, depth: int) -> Node:
        return Membership(left, self.expression(_IN, depth + 1), negated=False)

    def negated_membership(self, left: Node, _op: str, depth: int) -> Node:
        if self.tokens[self.index].lower() != "in":
            raise self.mismatched("'in'")
        self.index += 1
        return Membership(left, self.expression(_IN, depth + 1), negated=True)

    def like(self, left: Node, _op: str, depth: int) -> Node:
        return Like(left, self.expression(_MATCH, depth + 1))

    def regex(self, left: Node, op: str, depth: int) -> Node:
        """Read a pattern, where backslashes mostly stand for themselves."""
        pattern = self.tokens[self.index]
        if len(pattern) > 1 and pattern.endswith(QUOTES) and not lexer.is_raw(pattern):
            self.index += 1
            self.height = 1
            return Regex(left, Literal(literals.regex_string(lexer.body(pattern))), op == "!~")
        return Regex(left, self.expression(_MATCH, depth + 1), op == "!~")

    def null_test(self, left: Node, op: str, _depth: int) -> Node:
        return NullTest(left, negated=op == "is not null")

    def stop(self, left: Node, _op: str, _depth: int) -> Node:
        """Never called: nothing binds as loosely as the end."""
        return left


def _num_nodes(tokens: list[str]) -> int:
    """Return about how many nodes the tokens make; exact only where the limit is near."""
    if len(tokens) <= limits.FILTER_NODES:
        return len(tokens)
    return sum(token not in _NO_NODES and _SPELLINGS.get(token) is None for token in tokens)


def _string(token: str) -> str:
    body = lexer.body(token)
    return body if lexer.is_raw(token) else literals.string(body)


def _constant(token: str) -> Scalar | None:
    """Return the constant that a token is, None when it is none."""
    if token[:1] in _DIGITS:
        return literals.number(token)
    return _string(token) if len(token) > 1 and token[0] in QUOTES else None


def _starts_operand(token: str) -> bool:
    """Whether a token can only stand behind a prefix operator, never behind a name."""
    if token[:1] in _WORD_STARTS:
        return _respelled(token) is _STOP and token not in _INFIXES
    return token[:1] in _OPERAND_STARTS


def _is_word(token: str) -> bool:
    """Whether a token is a name; letters beyond ASCII start no token but are one of their own."""
    return token[:1] in _WORD_STARTS and token.isidentifier()


def _is_column(node: Node) -> bool:
    return isinstance(node, Path | StructPath) or (isinstance(node, Call) and node.name == "array_length")


_Operand = Callable[[_Parser, str, int], Node]
_Operator = tuple[int, str, Callable[[_Parser, Node, str, int], Node]]

_WORD_STARTS = frozenset(string.ascii_letters + "_")
_OPERAND_STARTS = frozenset(string.digits + ".({~$\"'")
_RELATIONS = ("<", "<=", ">", ">=")
_CHAINED: Mapping[str, str] = {"or": "==", "and": "!="}
_NO_NODES = frozenset("()[]{},")

_OPERANDS: Mapping[str, _Operand] = {
    **dict.fromkeys(string.digits + ".", _Parser.number),
    **dict.fromkeys(QUOTES, _Parser.string),
    **dict.fromkeys(_WORD_STARTS, _Parser.named),
    "[": _Parser.listing,
    "{": _Parser.template,
    "$": _Parser.dollar,
    "+": _Parser.sign,
    "-": _Parser.sign,
    "~": _Parser.sign,
    "!": _Parser.bang,
}

_SOFT: Mapping[str, _Operand] = {
    "not": _Parser.negation,
    "exists": _Parser.exists,
    "iso": _Parser.time,
    "interval": _Parser.time,
}
"""Words that start an operand where one follows; elsewhere they are names, in whatever case."""

_RESERVED: Mapping[str, _Operand] = {
    **dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), _Parser.truth),
    **dict.fromkeys(("not", "NOT"), _Parser.negation),
    **dict.fromkeys(("exists", "EXISTS"), _Parser.exists),
    **dict.fromkeys(("and", "AND", "or", "OR", "in", "IN", "like", "LIKE"), _Parser.unexpected),
}
"""Words that are never names."""

_WORD_OPERATORS: Mapping[str, _Operator] = {
    "or": (_OR, "or", _Parser.logic),
    "and": (_AND, "and", _Parser.logic),
    "in": (_IN, "in", _Parser.membership),
    "not": (_IN, "not", _Parser.negated_membership),
    "like": (_MATCH, "like", _Parser.like),
    "is null": (_NULL_TEST, "is null", _Parser.null_test),
    "is not null": (_NULL_TEST, "is not null", _Parser.null_test),
}

_STOP: _Operator = (_END, "", _Parser.stop)

_INFIXES: Mapping[str, _Operator] = {
    **dict.fromkeys((")", "]", ",", "}", END), _STOP),
    **_WORD_OPERATORS,
    **{name.upper(): operator for name, operator in _WORD_OPERATORS.items()},
    "||": _WORD_OPERATORS["or"],
    "&&": _WORD_OPERATORS["and"],
    "!": _WORD_OPERATORS["not"],
    "|": (_BIT_OR, "|", _Parser.binary),
    "^": (_BIT_XOR, "^", _Parser.binary),
    "&": (_BIT_AND, "&", _Parser.binary),
    "==": (_EQUAL, "==", _Parser.binary),
    "!=": (_EQUAL, "!=", _Parser.binary),
    **{op: (_RELATION, op, _Parser.relation) for op in _RELATIONS},
    "<<": (_SHIFT, "<<", _Parser.binary),
    ">>": (_SHIFT, ">>", _Parser.binary),
    "+": (_SUM, "+", _Parser.binary),
    "-": (_SUM, "-", _Parser.binary),
    "*": (_PRODUCT, "*", _Parser.binary),
    "/": (_PRODUCT, "/", _Parser.binary),
    "%": (_PRODUCT, "%", _Parser.binary),
    "**": (_POWER, "**", _Parser.binary),
    "=~": (_MATCH, "=~", _Parser.regex),
    "!~": (_MATCH, "!~", _Parser.regex),
}

_SPELLINGS: Mapping[str, str] = {
    spelling: operator[1] for spelling, operator in _INFIXES.items() if operator[1] in _CHAINED
}
"""The words and signs of ``and`` and ``or``."""

_CHAIN_ENDS = frozenset((*_SPELLINGS, ")", "]", ",", END))


def _respelled(token: str) -> _Operator:
    """Return the operator that a word stands for in mixed case or with other white space; the end's for none."""
    return _WORD_OPERATORS.get(" ".join(token.lower().split()), _STOP) if token[:1] in _WORD_STARTS else _STOP
