"""Scalar indexes over distinct keys in order: every kind that answers equality, ranges, prefixes and membership.

The kinds differ in how they keep the rows behind a key: as a list (INVERTED, STL_SORT, Trie) or as a bitmap (BITMAP);
AUTOINDEX chooses by the number of keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from elanus._native.keys import argsort_strings
from elanus.expr import Answer, Operand, Source, Truth
from elanus.expr.bound import Contains, ItemRef, JsonRef, Match, Matching, OperandLeaf
from elanus.index.header import ScalarHeader, read_scalar_header
from elanus.index.scalar.answers import answers, candidates_of, spans_of, wanted_elements, wants_every
from elanus.index.scalar.bodies import BODY_READERS, Bitmaps, Body, RowLists, Starts
from elanus.index.scalar.casts import Cast, ScalarBuild, accepts
from elanus.index.scalar.entries import Entries, read_entries
from elanus.index.scalar.keys import Keys, Spans, TextKeys, keys_of, outside, spans_at
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
from elanus.model.columns import ARROW_SCALARS, varlen_buffers
from elanus.model.errors import DataCorrupted, ElanusError
from elanus.model.types import DataType

KEYS: Final = "keys"
STARTS: Final = "starts"


class KeyedIndex:
    """The distinct keys of one operand and the rows behind each. See ``ScalarIndex``.

    starts    where each key's postings begin, int64 [keys + 1]
    known     the rows with a value, None when all have one
    cast      what a JSON path is indexed as, None for columns
    elements  whether the keys are the elements of arrays, several a row
    """

    def __init__(
        self, header: ScalarHeader, keys: Keys, starts: Starts, body: Body, known: Bitset | None, *, mapped: bool
    ) -> None:
        self._header = header
        self._keys = keys
        self._starts = starts
        self._body = body
        self._known = known
        self._mapped = mapped
        self._cast = ScalarBuild.parse(header.params).cast if header.data_type == DataType.JSON else None
        self._elements = header.data_type == DataType.ARRAY or (self._cast is not None and self._cast.of_arrays)
        self.num_rows = header.rows
        values = self.num_rows if known is None else known.count()
        self._one_key_a_row = not self._elements and int(starts[-1]) == values

    @property
    def memory_bytes(self) -> int:
        """Bytes of ordinary memory: nothing of a mapped index."""
        return 0 if self._mapped else sum(section.nbytes for section in self._sections().values())

    @property
    def engine(self) -> str:
        """How the rows are kept, and how many keys there are."""
        return f"{self._body.layout} of {len(self._keys)} distinct {'elements' if self._elements else 'values'}"

    def answer(self, leaf: OperandLeaf) -> Answer | None:
        """Answer what keys can; an array that equals a list is among those that have all of its elements."""
        if self._elements and not isinstance(leaf.operand, ItemRef):
            return self._of_elements(leaf)
        if not answers(leaf, self._accepts):
            return None
        if isinstance(leaf, Match) and leaf.matching is not Matching.PREFIX:
            return self._of_pattern(leaf)
        return self._of_keys(leaf)

    def _accepts(self, value: Any) -> bool:
        if self._cast is not None:
            return accepts(self._cast.scalar, value)
        return isinstance(value, str) == isinstance(self._keys, TextKeys)

    def _of_keys(self, leaf: OperandLeaf) -> Answer:
        """Answer with the rows behind the keys for which the leaf is TRUE."""
        spans = spans_of(leaf, self._keys)
        if leaf.negated and isinstance(leaf.operand, ItemRef):
            spans = outside(spans, len(self._keys))
        work = self._body.work(spans)
        others = self._body.whole - work
        if self._one_key_a_row and others < work:
            return Answer(True, others, partial(self._rest, spans))
        return Answer(True, work, partial(self._union, spans))

    def _of_pattern(self, leaf: Match) -> Answer:
        """Answer by matching every key that may match; only then is it known how many rows there are."""
        candidates, matching = candidates_of(leaf, self._keys)
        work = matching + min(self._body.work(candidates), self.num_rows // 8)
        return Answer(True, work, lambda: self._of_keys(leaf).truth())

    def _of_elements(self, leaf: OperandLeaf) -> Answer | None:
        """Answer with the rows that have any of some elements, or all of them: those that are rarer first."""
        wanted = wanted_elements(leaf)
        if not wanted or not all(map(self._accepts, wanted)):
            return None
        together = [[value] for value in dict.fromkeys(wanted)] if wants_every(leaf) else [wanted]
        spans = sorted((spans_at(self._keys.find(values)) for values in together), key=self._body.work)
        work = sum(map(self._body.work, spans))
        return Answer(isinstance(leaf, Contains), work, partial(self._intersection, spans))

    def _union(self, spans: Spans) -> Truth:
        return Truth(self._body.union(spans), self._known)

    def _rest(self, spans: Spans) -> Truth:
        """Return the rows behind no key of the spans, where a row has one key at most."""
        return Truth(~self._body.union(outside(spans, len(self._keys))), self._known)

    def _intersection(self, spans: Sequence[Spans]) -> Truth:
        rows = self._body.union(spans[0])
        for others in spans[1:]:
            if not rows.any():
                break
            rows &= self._body.union(others)
        return Truth(rows, self._known)

    # --- files ---

    def save(self, folder: Path) -> None:
        """Write header and sections into ``folder``."""
        write_sections(folder, self._sections())
        self._header.write(folder)

    def _sections(self) -> dict[str, Section]:
        known = known_section(self._known)
        return {KEYS: self._keys.section, STARTS: self._starts, KNOWN: known, **self._body.sections}


# --- building and opening ---


def _no_bitmaps(_params: Any) -> int:
    return 0


@dataclass(frozen=True)
class KeyedFiles:
    """How the indexes of one kind are built and opened.

    most_bitmaps  of the build parameters, up to how many keys get a bitmap each
    """

    kind: str
    version: int
    most_bitmaps: Callable[[Any], int] = _no_bitmaps

    def build(self, operand: Operand, source: Source, params: Any) -> KeyedIndex:
        """Return the index. See ``ScalarBuilder``; cost a sort of the values, 0.1 us a number, 0.3 us a text."""
        cast = params.cast if isinstance(operand, JsonRef) else None
        entries = read_entries(operand, source, cast)
        keys, starts, rows = _grouped(entries)
        lists = RowLists(starts, rows, source.num_rows)
        body = Bitmaps.of(lists) if len(keys) <= self.most_bitmaps(params) else lists
        header = ScalarHeader.of(
            operand,
            source.num_rows,
            kind=self.kind,
            version=self.version,
            layout=body.layout,
            params={key: value for key, value in asdict(params).items() if value != ""},
        )
        return KeyedIndex(header, keys_of(keys), starts, body, entries.known, mapped=False)

    def load(self, folder: Path, operand: Operand) -> KeyedIndex:
        """Return the index, mapped. See ``ScalarLoader``; cost one pass over keys and rows, which are checked."""
        header = read_scalar_header(folder, self.kind, self.version, operand)
        sections = read_sections(folder)
        key_type = _key_type(header, operand, sections)
        keys = keys_of(sections.texts(KEYS) if key_type is None else sections.numbers(KEYS, key_type))
        if not keys.ascend():
            raise sections.damaged(KEYS, "they are not in order")
        starts = sections.numbers(STARTS, np.int64, len(keys) + 1)
        if starts[0] != 0 or (np.diff(starts) < 0).any():
            raise sections.damaged(STARTS, "they do not ascend from 0")
        if header.layout not in BODY_READERS:
            raise DataCorrupted(f"{sections.path} has the unknown layout {header.layout!r}")
        body = BODY_READERS[header.layout](sections, starts, header.rows)
        return KeyedIndex(header, keys, starts, body, read_known(sections, header.rows), mapped=True)


def _grouped(entries: Entries) -> tuple[Section, Starts, NDArray[np.uint32]]:
    """Return the distinct keys in order, where each one's rows begin, and the rows."""
    distinct, codes = _coded(entries.keys)
    order = np.argsort(codes, kind="stable")
    codes, rows = codes[order], entries.rows[order]
    # An array may hold an element twice; a row comes once under each key.
    fresh = np.ones(len(rows), dtype=np.bool_)
    fresh[1:] = (codes[1:] != codes[:-1]) | (rows[1:] != rows[:-1])
    starts = np.zeros(len(distinct) + 1, dtype=np.int64)
    np.cumsum(np.bincount(codes[fresh], minlength=len(distinct)), out=starts[1:])
    return distinct, starts, rows[fresh]


def _coded(keys: Section) -> tuple[Section, NDArray[np.int64]]:
    """Return the distinct keys in order, and the place of each key among them."""
    if isinstance(keys, np.ndarray):
        distinct, codes = np.unique(keys, return_inverse=True)
        return distinct, codes.astype(np.int64, copy=False)
    encoded = keys.dictionary_encode()
    order = argsort_strings(*varlen_buffers(encoded.dictionary))
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), places[encoded.indices.to_numpy(zero_copy_only=False)]


def _key_type(header: ScalarHeader, operand: Operand, sections: Sections) -> np.dtype[Any] | None:
    """Return the type of the keys, None for texts."""
    data_type = DataType(header.element_type or header.data_type)
    if isinstance(operand, JsonRef):
        data_type = _recorded_cast(header, sections).data_type
    if data_type is DataType.VARCHAR:
        return None
    kind = np.dtype(ARROW_SCALARS[data_type].to_pandas_dtype())
    return np.dtype(np.uint8) if kind.kind == "b" else kind


def _recorded_cast(header: ScalarHeader, sections: Sections) -> Cast:
    try:
        cast = ScalarBuild.parse(header.params).cast
    except ElanusError as error:
        raise DataCorrupted(f"the header beside {sections.path} has other parameters: {error}") from error
    if cast is None or cast is Cast.JSON:
        raise DataCorrupted(f"the header beside {sections.path} does not say what the path was indexed as")
    return cast
