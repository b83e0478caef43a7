"""Every scalar index kind, over everything it declares, answers as the column does and opens only what is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scalar_data import Case, all_cases, with_nulls

from elanus.expr import Answer, BatchSource, Operand, Source, bind, select
from elanus.expr.bound import Contains, OperandLeaf
from elanus.expr.evaluation.leaves import evaluate
from elanus.index.base import ScalarIndex, TitledIndex
from elanus.index.header import HEADER_FILE
from elanus.index.sections import SECTIONS_FILE, write_sections
from elanus.model.bitset import Bitset
from elanus.model.errors import DataCorrupted

ROWS = 331
CASES = [pytest.param(case, id=str(case)) for case in all_cases()]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def build(case: Case, source: Source) -> ScalarIndex:
    assert case.kind.build_scalar is not None
    return case.kind.build_scalar(case.operand, source, case.params)


def load(case: Case, folder: Path) -> ScalarIndex:
    assert case.kind.load_scalar is not None
    return case.kind.load_scalar(folder, case.operand)


@cache
def random_source(case: Case) -> BatchSource:
    rng = np.random.default_rng(5)
    return case.source(with_nulls(case.values(rng, ROWS), rng))


@cache
def random_index(case: Case) -> ScalarIndex:
    return build(case, random_source(case))


def assert_answers(index: ScalarIndex, leaf: OperandLeaf, source: Source, text: str) -> bool:
    """Check an index' answer, of the leaf and of its negation, against the column's; return whether there is one."""
    answer = index.answer(leaf)
    if answer is None:
        return False
    assert answer.work >= 0, text
    found, true = answer.truth(), evaluate(leaf, source)
    wanted = true.true_rows(negated=False)
    if answer.exact:
        assert found.true_rows(negated=False) == wanted, text
        assert found.true_rows(negated=True) == true.true_rows(negated=True), text
    else:
        assert (wanted - found.true_rows(negated=False)).count() == 0, text
        everything = Bitset.all(source.num_rows)
        assert (found.known or everything) == (true.known or everything), text
    return True


class Indexed(BatchSource):
    """A batch whose index is always the cheapest."""

    def __init__(self, source: BatchSource, operand: Operand, index: ScalarIndex) -> None:
        super().__init__(source.batch)
        self._operand = operand
        self._index = Eager("test (X)", index)

    def indexes(self, operand: Operand) -> Sequence[Any]:
        return (self._index,) if operand == self._operand else ()


class Eager(TitledIndex):
    def answer(self, leaf: OperandLeaf) -> Answer | None:
        answer = super().answer(leaf)
        return None if answer is None else answer._replace(work=0)


def test_answers_are_those_of_the_column(case: Case) -> None:
    answered = [assert_answers(random_index(case), leaf, random_source(case), text) for text, leaf in case.leaves]
    assert any(answered), "it answers nothing that it is asked here"


def test_filters_select_the_same_rows_with_the_index_as_without(case: Case) -> None:
    source = random_source(case)
    indexed = Indexed(source, case.operand, random_index(case))
    for text, bound in case.filters:
        assert select(bound, indexed) == select(bound, source), text


@pytest.mark.parametrize("shape", ["empty", "all null", "one row", "one null", "all equal", "all different"])
def test_odd_segments(case: Case, shape: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    few = case.values(rng, 40)
    different = list({repr(value): value for value in few}.values())
    shapes: dict[str, list[Any]] = {
        "empty": [], "all null": [None] * 9, "one row": few[:1], "one null": [None], "all equal": few[:1] * 17,
        "all different": different,
    }  # fmt: skip
    source = case.source(shapes[shape])
    index = build(case, source)
    index.save(tmp_path)
    for text, leaf in case.leaves[::3]:
        for opened in (index, load(case, tmp_path)):
            assert opened.num_rows == source.num_rows
            assert_answers(opened, leaf, source, text)


def test_a_saved_index_answers_as_the_built_one_from_the_file(case: Case, tmp_path: Path) -> None:
    index = random_index(case)
    index.save(tmp_path)
    loaded = load(case, tmp_path)
    assert (loaded.num_rows, loaded.engine) == (index.num_rows, index.engine)
    assert loaded.memory_bytes < index.memory_bytes
    for text, leaf in case.leaves:
        (one, other) = (index.answer(leaf), loaded.answer(leaf))
        assert (one and one[:2]) == (other and other[:2])
        assert_answers(loaded, leaf, random_source(case), text)


def test_a_loaded_index_saves_again_and_building_is_repeatable(case: Case, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "again", "copy")]
    for folder in folders:
        folder.mkdir()
    random_index(case).save(folders[0])
    build(case, random_source(case)).save(folders[1])
    load(case, folders[0]).save(folders[2])
    for name in (path.name for path in folders[0].iterdir()):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "garbage", "header gone", "header garbage", "header {}"])
def test_damaged_files_are_named(case: Case, damage: str, tmp_path: Path) -> None:
    random_index(case).save(tmp_path)
    path = tmp_path / (HEADER_FILE if damage.startswith("header") else SECTIONS_FILE)
    whole = path.read_bytes()
    if damage.endswith("gone"):
        path.unlink()
    else:
        damaged = {"empty": b"", "cut": whole[: len(whole) // 2], "header {}": b"{}"}
        path.write_bytes(damaged.get(damage, b"no such thing" * 9))
    with pytest.raises(DataCorrupted, match=path.name):
        load(case, tmp_path)


def test_whatever_a_file_holds_it_is_refused_or_answers_within_its_rows(case: Case, tmp_path: Path) -> None:
    """Checksums catch accidents; this is about files made by somebody: they never crash and never hang."""
    random_index(case).save(tmp_path)
    path = tmp_path / SECTIONS_FILE
    whole = path.read_bytes()
    rng = np.random.default_rng(11)
    leaves = [leaf for _, leaf in case.leaves][::7]
    damaged = [whole[:size] for size in rng.integers(len(whole), size=8)]
    for position in rng.integers(len(whole), size=40):
        changed = bytearray(whole)
        changed[position] ^= int(rng.integers(1, 256))
        damaged.append(bytes(changed))
    for data in damaged:
        path.unlink()  # a mapped file is not to be written to
        path.write_bytes(data)
        try:
            index = load(case, tmp_path)
        except DataCorrupted:
            continue
        for leaf in leaves:
            answer = index.answer(leaf)
            if answer is not None:
                truth = answer.truth()
                for negated in (False, True):
                    rows = truth.true_rows(negated=negated).rows()
                    assert len(rows) == 0 or rows[-1] < ROWS


def test_an_index_over_something_else_is_refused(case: Case, tmp_path: Path) -> None:
    random_index(case).save(tmp_path)
    other = next(param.values[0] for param in CASES if param.values[0].operand != case.operand)
    assert case.kind.load_scalar is not None
    with pytest.raises(DataCorrupted, match=r"header\.json"):
        case.kind.load_scalar(tmp_path, other.operand)


# --- the kinds with sorted keys ---

KEYED = [
    param for param in CASES if param.values[0].kind.name in ("INVERTED", "STL_SORT", "Trie", "BITMAP", "AUTOINDEX")
]


def named(name: str) -> Case:
    return next(param.values[0] for param in KEYED if str(param.values[0]) == name)


@pytest.mark.parametrize("keyed", KEYED)
def test_keys_answer_comparisons_lists_ranges_and_prefixes(keyed: Case) -> None:
    """What an index over a column must not leave to the column; JSON paths answer for values of their type."""
    index = random_index(keyed)
    for text, leaf in keyed.leaves:
        if not keyed.cast and keyed.path == "x":
            exact = keyed.operand.type is not keyed.field.type.ARRAY or isinstance(leaf, Contains)
            answer = index.answer(leaf)
            assert (answer is not None and answer.exact) == exact, text


def test_patterns_are_matched_against_distinct_keys_and_prefixes_are_found() -> None:
    case = named("Trie-VarChar")
    index = build(case, case.source(["apple", "pear", "plum"] * 5_000))
    assert work(index, _leaf(case, 'x like "q%"')) == 0
    assert work(index, _leaf(case, 'x like "a%"')) == 5_000
    assert work(index, _leaf(case, 'x =~ "a.*e"')) < 5_000


def test_most_rows_are_found_by_those_that_are_left() -> None:
    case = named("STL_SORT-Int64")
    source = case.source(list(range(1000)))
    index = build(case, source)
    for text, rows in (("x > 10", 11), ("x <= 3", 4), ("x != 5", 1), ("x >= 500", 500), ("x < 2000", 0)):
        leaf = _leaf(case, text)
        assert work(index, leaf) == rows
        assert_answers(index, leaf, source, text)


@pytest.mark.parametrize(
    ("kind", "distinct", "layout"),
    [("AUTOINDEX", 99, "bitmaps"), ("AUTOINDEX", 100, "rows"), ("BITMAP", 128, "bitmaps"), ("BITMAP", 129, "rows"),
     ("INVERTED", 2, "rows"), ("STL_SORT", 2, "rows")],
)  # fmt: skip
def test_few_values_get_bitmaps(kind: str, distinct: int, layout: str) -> None:
    case = named(f"{kind}-Int16")
    index = build(case, case.source([number % distinct for number in range(1000)]))
    assert index.engine == f"{layout} of {distinct} distinct values"


def test_integers_keep_their_width_and_floats_have_one_zero(tmp_path: Path) -> None:
    for name, width in (("INVERTED-Int8", pa.int8()), ("INVERTED-Int64", pa.int64()), ("INVERTED-Float", pa.float32())):
        case = named(name)
        build(case, case.source([0, 5, -0.0 if name.endswith("Float") else 0])).save(tmp_path)
        keys = _sections(tmp_path)["keys"]
        assert keys.type == width
        assert [str(key) for key in keys.to_pylist()] == (["0.0", "5.0"] if name.endswith("Float") else ["0", "5"])


def work(index: ScalarIndex, leaf: OperandLeaf) -> int:
    answer = index.answer(leaf)
    assert answer is not None
    return answer.work


def _leaf(case: Case, text: str) -> OperandLeaf:
    leaf = bind(text, case.schema)
    assert isinstance(leaf, OperandLeaf)
    return leaf


def _sections(folder: Path) -> dict[str, pa.Array]:
    with pa.ipc.open_file(pa.BufferReader((folder / SECTIONS_FILE).read_bytes())) as reader:
        batch = reader.get_batch(0)
    return {name: batch.column(name).flatten() for name in batch.schema.names}


_TOO_FAR = np.uint32(ROWS)
TAMPERED: Mapping[str, Any] = {
    "keys: missing": lambda found: found.pop("keys"),
    "keys: of another type": lambda found: found.update(keys=pa.array(["a"], pa.large_string())),
    "keys: null": lambda found: found.update(keys=pa.array([None] * len(found["keys"]), found["keys"].type)),
    "keys: out of order": lambda found: found.update(keys=found["keys"][::-1]),
    "keys: twice": lambda found: found.update(keys=pa.repeat(found["keys"][0], len(found["keys"]))),
    "starts: too few": lambda found: found.update(starts=found["starts"][:-1]),
    "starts: descending": lambda found: found.update(starts=found["starts"][::-1]),
    "starts: not from zero": lambda found: found.update(starts=pa.array(np.asarray(found["starts"]) + 1)),
    "starts: negative": lambda found: found.update(starts=pa.array(-np.asarray(found["starts"]))),
    "rows: too few": lambda found: found.update(rows=found["rows"][1:]),
    "rows: too large": lambda found: found.update(rows=pa.repeat(pa.scalar(_TOO_FAR), len(found["rows"]))),
    "rows: of another type": lambda found: found.update(rows=found["rows"].cast(pa.int64())),
    "known: too short": lambda found: found.update(known=found["known"][1:]),
    "known: too far": lambda found: found.update(known=pa.repeat(pa.scalar(np.uint8(255)), len(found["known"]))),
}


@pytest.mark.parametrize("tampered", TAMPERED)
def test_sections_that_do_not_fit_together_are_named(tampered: str, tmp_path: Path) -> None:
    case = named("INVERTED-Int16")
    random_index(case).save(tmp_path)
    found = _sections(tmp_path)
    TAMPERED[tampered](found)
    write_sections(tmp_path, found)
    with pytest.raises(DataCorrupted, match=f"section {tampered.partition(':')[0]}"):
        load(case, tmp_path)


def test_bitmaps_that_do_not_fit_are_named(tmp_path: Path) -> None:
    case = named("BITMAP-Int16")
    random_index(case).save(tmp_path)
    found = _sections(tmp_path)
    for bitmaps in (found["bitmaps"][1:], pa.repeat(pa.scalar(np.uint8(255)), len(found["bitmaps"]))):
        write_sections(tmp_path, found | {"bitmaps": bitmaps})
        with pytest.raises(DataCorrupted, match="section bitmaps"):
            load(case, tmp_path)


def test_a_file_of_more_than_one_row_or_of_no_lists_is_refused(tmp_path: Path) -> None:
    case = named("INVERTED-Int16")
    random_index(case).save(tmp_path)
    for batch in (
        pa.record_batch({"keys": pa.array([[1], [2]], pa.large_list(pa.int16()))}),
        pa.record_batch({"keys": pa.array([1])}),
        pa.record_batch({"keys": pa.array([None], pa.large_list(pa.int16()))}),
    ):
        with pa.ipc.new_file(str(tmp_path / SECTIONS_FILE), batch.schema) as writer:
            writer.write_batch(batch)
        with pytest.raises(DataCorrupted, match=SECTIONS_FILE):
            load(case, tmp_path)
