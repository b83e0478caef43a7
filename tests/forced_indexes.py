"""Rows whose scalar indexes are used wherever they can answer, however few the rows are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from elanus.expr import Answer, BatchSource, Operand, Source, Step, Truth
from elanus.expr.bound import ArrayRef, ColumnRef, JsonRef, OperandLeaf
from elanus.index import INDEX_KINDS, IndexKind
from elanus.index.base import ScalarIndex
from elanus.model.columns import ColumnBatch
from elanus.model.schema import Schema

KINDS = sorted(kind.name for kind in INDEX_KINDS if kind.family == "scalar")
PARAMS: dict[str, dict[str, Any]] = {"NGRAM": {"min_gram": 1, "max_gram": 2}}
"""What a kind can't be built without."""


class Forced:
    """An index that claims to cost nothing, and that remembers whether it was asked. See ``LeafIndex``."""

    def __init__(self, title: str, index: ScalarIndex) -> None:
        self.title = title
        self.index = index
        self.used = False

    def answer(self, leaf: OperandLeaf) -> Answer | None:
        answer = self.index.answer(leaf)
        if answer is None:
            return None
        assert answer.work >= 0
        return answer._replace(work=0, truth=lambda: self._asked(answer))

    def _asked(self, answer: Answer) -> Truth:
        self.used = True
        return answer.truth()


class ForcedIndexes(BatchSource):
    """A batch with indexes of one kind over whatever it can index: columns, arrays, JSON paths as each of its types.

    An index is built when a filter first asks for its operand.
    folder  where indexes are saved and opened again, None to use them as they were built
    """

    def __init__(self, batch: ColumnBatch, schema: Schema, kind: str, folder: Path | None = None) -> None:
        super().__init__(batch)
        self._schema = schema
        self._kind = INDEX_KINDS[kind]
        self._folder = folder
        self.built: dict[Operand, list[Forced]] = {}

    def indexes(self, operand: Operand) -> Sequence[Forced]:
        if operand not in self.built:
            self.built[operand] = list(self._build_all(operand))
        return self.built[operand]

    def unused(self) -> list[str]:
        """Return the titles of the indexes that no filter was answered by."""
        return [index.title for indexes in self.built.values() for index in indexes if not index.used]

    def _build_all(self, operand: Operand) -> Iterator[Forced]:
        for cast in self._casts(operand):
            params = PARAMS.get(self._kind.name, {}) | ({"json_cast_type": cast.lower()} if cast else {})
            title = f"{self._title(operand)} as {cast or 'it is'} ({self._kind.name})"
            yield Forced(title, self._opened(build(self._kind, operand, BatchSource(self.batch), params), operand))

    def _casts(self, operand: Operand) -> Sequence[str]:
        """Return what the kind can index the operand as: types of a JSON path, "" for a column, nothing at all."""
        field = self._schema.by_id(operand.field_id)
        if type(operand) is JsonRef:
            return [str(cast) for cast in self._kind.casts if cast != "JSON"]
        served = self._kind.elements if type(operand) is ArrayRef else self._kind.fields
        kind = field.element_type if type(operand) is ArrayRef else field.type
        suits = type(operand) in (ColumnRef, ArrayRef) and kind in served
        return [""] if suits and (self._kind.primary_keys or not field.is_primary) else []

    def _title(self, operand: Operand) -> str:
        name = self._schema.by_id(operand.field_id).name
        return f"{name}{list(operand.path)}" if isinstance(operand, JsonRef) else name

    def _opened(self, index: ScalarIndex, operand: Operand) -> ScalarIndex:
        if self._folder is None:
            return index
        folder = self._folder / f"{len(self.built)}-{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        index.save(folder)
        assert self._kind.load_scalar is not None
        return self._kind.load_scalar(folder, operand)


def build(kind: IndexKind, operand: Operand, source: Source, params: dict[str, Any]) -> ScalarIndex:
    """Return the index of an operand, with parameters as users write them."""
    assert kind.build_scalar is not None
    return kind.build_scalar(operand, source, kind.build_params.parse(params))


def steps_of(trace: Step) -> Iterator[Step]:
    """Yield a step and all steps inside it."""
    yield trace
    for step in trace.steps:
        yield from steps_of(step)
