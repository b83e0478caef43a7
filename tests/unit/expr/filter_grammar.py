"""The grammar of filters a second time, for clarity and not for speed: which texts it reads, and how they group.

It shares nothing with the parser. Tokens are the longest match at each place; precedence is a list of levels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_NUMBERS = [
    r"[1-9][0-9]*", r"0[0-7]*", r"0[xX][0-9a-fA-F]+", r"0[bB][01]+",
    r"[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?", r"[0-9]+\.([eE][+-]?[0-9]+)?", r"[0-9]+[eE][+-]?[0-9]+",
    r"0[xX][0-9a-fA-F]+(\.[0-9a-fA-F]*)?[pP][+-]?[0-9]+", r"0[xX]\.[0-9a-fA-F]+[pP][+-]?[0-9]+",
]  # fmt: skip
_BINARY = {"**", "<<", ">>", "<=", ">=", "==", "!=", "=~", "!~", "&&", "||", *"-+*/%&|^<>"}
_SIGNS = {*_BINARY, *"~!=()[]{},$"}
_BINARY_WORDS = {"and", "or", "in", "like"}
_RESERVED = {spelling for word in ("and", "or", "in", "like", "not", "exists") for spelling in (word, word.upper())}


class Refused(Exception):
    """The text is not a filter."""


def accepts(text: str) -> bool:
    """Whether a text follows the grammar, whatever it means."""
    try:
        tokens = _tokens(text)
        return tokens == [END] or _Reader(tokens).filter()
    except Refused:
        return False


# --- tokens: (kind, text) ---

END = ("end", "")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(text):
        if text[position] in " \t\r\n":
            position += 1
            continue
        kind, token = _token(text, position)
        tokens.append((kind, token))
        position += len(token)
    return [*tokens, END]


def _token(text: str, start: int) -> tuple[str, str]:
    for prefix in ("u8", "u", "U", "L", "r", "R", ""):
        if text.startswith((prefix + '"', prefix + "'"), start):
            return "raw" if prefix in ("r", "R") else "string", _quoted(text, start, start + len(prefix))
    word = re.compile(r"[A-Za-z_][A-Za-z_0-9]*|\$meta\b").match(text, start)
    if word:
        return "word", word[0]
    numbers = [found[0] for form in _NUMBERS if (found := re.compile(form).match(text, start))]
    if numbers:
        return "number", max(numbers, key=len)
    signs = [sign for sign in _SIGNS if text.startswith(sign, start)]
    if signs:
        return "sign", max(signs, key=len)
    raise Refused


def _quoted(text: str, start: int, opening: int) -> str:
    position = opening + 1
    while position < len(text) and text[position] not in "\r\n":
        if text[position] == text[opening]:
            return text[start : position + 1]
        position += 1
        if text[position - 1] == "\\":
            if position == len(text) or text[position] in "\r\n":
                break
            position += 1
    raise Refused


# --- what follows what; how operators bind plays no part in that ---


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0

    def filter(self) -> bool:
        self.expression()
        return self.tokens[self.at] == END

    def expression(self) -> None:
        self.operand()
        while self.operator():
            self.operand()

    def operator(self) -> bool:
        kind, text = self.tokens[self.at]
        if self.word() == "not" or text == "!":
            self.at += 1
            if self.word() != "in":
                raise Refused
        elif not (kind == "sign" and text in _BINARY) and self.word() not in _BINARY_WORDS:
            return False
        self.at += 1
        return True

    def operand(self) -> None:
        while self.is_prefix():
            self.at += 1
        self.primary()
        while self.skip_null_test():
            pass

    def is_prefix(self) -> bool:
        kind, text = self.tokens[self.at]
        if kind == "sign":
            return text in ("+", "-", "~", "!")
        if self.word() not in ("not", "exists"):
            return False
        return text in _RESERVED or self.starts_operand()

    def starts_operand(self) -> bool:
        """Whether the next token cannot stand behind a name: then a word in mixed case is no name."""
        kind, text = self.tokens[self.at + 1]
        if kind == "word":
            return text.lower() not in (*_BINARY_WORDS, "not") and not self.null_test(self.at + 1)
        return kind in ("number", "string", "raw") or text in ("(", "{", "~", "$")

    def primary(self) -> None:
        kind, text = self.tokens[self.at]
        if self.null_test(self.at):
            raise Refused
        self.at += 1
        if kind == "word":
            self.named(text)
        elif text == "(":
            self.expression()
            self.expect(")")
        elif text == "[":
            self.items("]")
        elif text == "{":
            self.name()
            self.expect("}")
        elif text == "$" and kind == "sign":
            self.expect("[")
            self.name()
            self.expect("]")
        elif kind not in ("number", "string", "raw"):
            raise Refused

    def named(self, text: str) -> None:
        if text in _RESERVED:
            raise Refused
        if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
            return
        if text.lower() in ("iso", "interval") and self.tokens[self.at][0] == "string":
            self.at += 1
        elif text != "$meta" and self.skip("("):
            self.items(")")
        else:
            self.steps()

    def steps(self) -> None:
        while self.skip("["):
            kind, text = self.tokens[self.at]
            self.at += 1
            if kind == "word" and text != "$meta":
                self.expect("]")
                return
            if kind not in ("string", "raw") and not re.fullmatch("0|[1-9][0-9]{0,17}", text):
                raise Refused
            self.expect("]")

    def items(self, closing: str) -> None:
        while not self.skip(closing):
            if closing == ")" and self.tokens[self.at][0] == "word" and self.tokens[self.at + 1][1] == "=":
                self.name()
                self.at += 1
            self.expression()
            if not self.skip(","):
                self.expect(closing)
                return

    def null_test(self, at: int) -> int:
        """Return how many tokens ``is [not] null`` takes at a place, 0 where it does not stand."""
        words = [text.lower() if kind == "word" else "" for kind, text in self.tokens[at : at + 3]]
        return 2 if words[:2] == ["is", "null"] else 3 if words == ["is", "not", "null"] else 0

    def skip_null_test(self) -> bool:
        taken = self.null_test(self.at)
        self.at += taken
        return taken > 0

    def word(self) -> str:
        kind, text = self.tokens[self.at]
        return text.lower() if kind == "word" else ""

    def name(self) -> None:
        kind, text = self.tokens[self.at]
        if kind != "word" or text == "$meta":
            raise Refused
        self.at += 1

    def skip(self, sign: str) -> bool:
        found = self.tokens[self.at] == ("sign", sign)
        self.at += found
        return found

    def expect(self, sign: str) -> None:
        if not self.skip(sign):
            raise Refused


# --- how operators bind, loosest first; all associate to the left ---

LEVELS = [
    ["or"], ["and"], ["|"], ["^"], ["&"], ["==", "!="], ["<", "<=", ">", ">="], ["in"], ["<<", ">>"], ["+", "-"],
    ["*", "/", "%"], ["**"], ["like", "=~", "!~"],
]  # fmt: skip
UNARY = LEVELS.index(["**"])
"""Prefix operators bind looser than this level and tighter than the one before."""


def grouped(operands: Sequence[str], operators: Sequence[str], level: int = 0) -> str:
    """Return operands and the operators between them with parentheses around every operation."""
    if level == UNARY:
        prefix, _, first = operands[0].rpartition(" ")
        inner = _split([first, *operands[1:]], operators, level)
        return f"({prefix} {inner})" if prefix else inner
    return _split(operands, operators, level)


def _split(operands: Sequence[str], operators: Sequence[str], level: int) -> str:
    if level == len(LEVELS):
        return operands[0]
    cuts = [place for place, operator in enumerate(operators) if operator in LEVELS[level]]
    starts = [0, *(cut + 1 for cut in cuts), len(operands)]
    parts = [grouped(operands[low:high], operators[low : high - 1], level + 1) for low, high in pairwise(starts)]
    if level < 2 and cuts:
        return f"({f' {LEVELS[level][0]} '.join(parts)})"
    whole = parts[0]
    for cut, part in zip(cuts, parts[1:], strict=True):
        whole = f"({whole} {operators[cut]} {part})"
    return whole
