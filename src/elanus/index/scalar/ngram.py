"""NGRAM: the rows that contain every gram of what a pattern asks for; the evaluator looks at each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from elanus._native import ngram
from elanus._native.ngram import NgramQuery, Postings
from elanus.expr import Answer, JsonValues, Operand, Source, Truth
from elanus.expr.bound import Compare, JsonRef, Match, Matching, OperandLeaf
from elanus.expr.evaluation.operands import load
from elanus.expr.evaluation.texts import Texts
from elanus.expr.like import parts
from elanus.index.base import INDEX_KINDS, IndexKind
from elanus.index.header import ScalarHeader, read_scalar_header
from elanus.index.scalar.casts import Cast, ScalarBuild
from elanus.index.sections import (
    KNOWN,
    Section,
    Sections,
    known_section,
    read_known,
    read_sections,
    write_sections,
)
from elanus.model.bitset import Bitset
from elanus.model.columns import varlen_buffers
from elanus.model.errors import DataCorrupted, ElanusError, InvalidParameter
from elanus.model.params import INT32_MAX, param
from elanus.model.types import DataType

KIND: Final = "NGRAM"
VERSION: Final = 1

LONGEST_GRAM: Final = 8
"""Longer grams than this, and than ``min_gram``, tell hardly more than their parts; each length costs a pass."""

KEPT_QUERIES: Final = 256
LONGEST_KEPT: Final = 1024
"""Characters of a pattern: a query takes eight bytes a character, and long patterns hardly come again."""

BOTH_LENGTHS: Final = "Ngram index must specify both min_gram and max_gram"


@dataclass(frozen=True)
class NgramBuild(ScalarBuild):
    """How texts are cut: runs of ``min_gram`` to ``max_gram`` code points. Users must give both."""

    min_gram: int = param(2, required=BOTH_LENGTHS)
    max_gram: int = param(3, required=BOTH_LENGTHS)

    @classmethod
    def parse(cls, pairs: Mapping[str, Any]) -> Self:
        """Return the parameters; InvalidParameter in Milvus' words when a length is missing or can't be one."""
        lengths = {key: _length(key, pairs[key]) for key in ("min_gram", "max_gram") if key in pairs}
        params = super().parse({**pairs, **lengths})
        if not 0 < params.min_gram <= params.max_gram <= INT32_MAX:
            given = f"min_gram: {params.min_gram}, max_gram: {params.max_gram}"
            wanted = f"expected 0 < min_gram <= max_gram <= {INT32_MAX}"
            raise InvalidParameter(f"invalid min_gram or max_gram value for Ngram index, {given}, {wanted}")
        return params

    @property
    def longest(self) -> int:
        """The longest grams that are kept."""
        return max(self.min_gram, min(self.max_gram, LONGEST_GRAM))


def _length(key: str, value: object) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", str(value)):
        raise InvalidParameter(f"{key} for Ngram index must be an integer, got: {value}")
    return int(str(value))


class NgramIndex:
    """The rows of every gram of one operand's texts. See ``ScalarIndex``."""

    def __init__(self, header: ScalarHeader, postings: Postings, known: Bitset | None, *, mapped: bool) -> None:
        self._header = header
        self._postings = postings
        self._known = known
        self._mapped = mapped
        self._lengths = _lengths_of(header)
        self.num_rows = header.rows

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory: nothing of a mapped index."""
        return 0 if self._mapped else sum(section.nbytes for section in self._sections().values())

    @property
    def engine(self) -> str:
        """The lengths, and how many grams there are."""
        low, high = self._lengths
        return f"postings of {len(self._postings.hashes)} grams of {low} to {high} characters"

    def answer(self, leaf: OperandLeaf) -> Answer | None:
        """Answer patterns that ask for a text of at least ``min_gram`` characters, with rows that have its grams."""
        query = self._query(leaf)
        if query is None:
            return None
        work = ngram.estimate(self._postings, query, self.num_rows)
        return Answer(False, work, partial(self._candidates, query))

    def _candidates(self, query: NgramQuery) -> Truth:
        bits = ngram.candidates(self._postings, query, self.num_rows)
        return Truth(Bitset(bits, self.num_rows), self._known)

    def _query(self, leaf: OperandLeaf) -> NgramQuery | None:
        if isinstance(leaf, Match):
            return _query(leaf.matching, leaf.pattern, *self._lengths)
        if isinstance(leaf, Compare) and leaf.op == "==" and isinstance(leaf.value, str):
            return _query(Matching.CONTAINS, leaf.value, *self._lengths)
        return None

    def save(self, folder: Path) -> None:
        """Write header and sections into ``folder``."""
        write_sections(folder, self._sections())
        self._header.write(folder)

    def _sections(self) -> dict[str, Section]:
        return {KNOWN: known_section(self._known), **self._postings._asdict()}


def _query(matching: Matching, pattern: str, min_gram: int, max_gram: int) -> NgramQuery | None:
    """Return what a pattern asks for; one filter asks for it in every segment."""
    query = _kept_query if len(pattern) <= LONGEST_KEPT else _new_query
    return query(matching, pattern, min_gram, max_gram)


def _new_query(matching: Matching, pattern: str, min_gram: int, max_gram: int) -> NgramQuery | None:
    if matching is Matching.REGEX:
        return NgramQuery.of_regex(pattern, min_gram, max_gram)
    return NgramQuery.of_texts(_TEXTS[matching](pattern), min_gram, max_gram)


def _whole(pattern: str) -> list[str]:
    return [pattern]


def _between_wildcards(pattern: str) -> list[str]:
    return [part for part in parts(pattern) if isinstance(part, str)]


_kept_query = lru_cache(KEPT_QUERIES)(_new_query)

_TEXTS: Final[Mapping[Matching, Callable[[str], list[str]]]] = {
    Matching.PREFIX: _whole,
    Matching.SUFFIX: _whole,
    Matching.CONTAINS: _whole,
    Matching.LIKE: _between_wildcards,
}
"""The texts that a pattern asks for."""


def _lengths_of(header: ScalarHeader) -> tuple[int, int]:
    params = NgramBuild.parse(header.params)
    return params.min_gram, params.longest


# --- building and opening ---


def build_ngrams(operand: Operand, source: Source, params: NgramBuild) -> NgramIndex:
    """Return the index of an operand's texts; cost about 25 ns a gram of a row, 256 MiB beside the result at most."""
    values = load(operand, source)
    texts = values.texts() if isinstance(values, JsonValues) else values
    if not isinstance(texts, Texts):
        raise TypeError(f"{type(texts).__name__} have no grams")
    known = None if texts.known is None else texts.known.bits
    postings = ngram.build(*varlen_buffers(texts.data), known, (params.min_gram, params.longest))
    header = ScalarHeader.of(operand, source.num_rows, kind=KIND, version=VERSION, params=_recorded(params, operand))
    return NgramIndex(header, postings, texts.known, mapped=False)


def _recorded(params: NgramBuild, operand: Operand) -> dict[str, int | float | bool | str]:
    kept = {key: value for key, value in asdict(params).items() if value != ""}
    return kept | ({"json_cast_type": Cast.VARCHAR.value} if isinstance(operand, JsonRef) else {})


def load_ngrams(folder: Path, operand: Operand) -> NgramIndex:
    """Return the index, mapped; cost one pass over the postings, which are checked."""
    header = read_scalar_header(folder, KIND, VERSION, operand)
    sections = read_sections(folder)
    try:
        _lengths_of(header)
    except ElanusError as error:
        raise DataCorrupted(f"the header beside {sections.path} has other parameters: {error}") from error
    postings = _read_postings(sections)
    try:
        ngram.check(postings, header.rows)
    except ValueError as error:
        raise sections.damaged("rows", str(error)) from error
    return NgramIndex(header, postings, read_known(sections, header.rows), mapped=True)


def _read_postings(sections: Sections) -> Postings:
    hashes = sections.numbers("hashes", np.uint64)
    return Postings(
        hashes=hashes,
        counts=sections.numbers("counts", np.uint32, len(hashes)),
        ends=sections.numbers("ends", np.uint64, len(hashes)),
        rows=sections.numbers("rows", np.uint8),
    )


INDEX_KINDS.register(
    IndexKind(
        name=KIND,
        family="scalar",
        version=VERSION,
        metrics=dict.fromkeys((DataType.VARCHAR, DataType.JSON), ()),
        build_params=NgramBuild,
        built=frozenset({DataType.VARCHAR, DataType.JSON}),
        engine="grams of the texts",
        build_scalar=build_ngrams,
        load_scalar=load_ngrams,
        casts=(Cast.VARCHAR,),
        refusal="Ngram index can only be created on VARCHAR or JSON field, got {type}",
    )
)
