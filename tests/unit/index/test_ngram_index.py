"""NGRAM: no row that matches is ever left out, few others come along, and files are checked."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from elanus._native import ngram
from elanus._native.ngram import NgramQuery
from elanus.expr import BatchSource, bind, select
from elanus.expr.bound import Compare, Match, Matching, OperandLeaf
from elanus.expr.evaluation.leaves import evaluate
from elanus.index.operands import indexed_operand
from elanus.index.scalar.ngram import NgramBuild, NgramIndex, build_ngrams, load_ngrams
from elanus.index.sections import SECTIONS_FILE, read_sections, write_sections
from elanus.model.bitset import Bitset
from elanus.model.columns import Column, ColumnBatch, varlen_buffers
from elanus.model.errors import DataCorrupted
from elanus.model.ids import FieldId
from elanus.model.schema import Field, Schema
from elanus.model.types import DataType

KEY = Field(id=FieldId(100), name="id", type=DataType.INT64, is_primary=True)
TEXT = Field(id=FieldId(101), name="s", type=DataType.VARCHAR, nullable=True)
DOCUMENT = Field(id=FieldId(102), name="j", type=DataType.JSON, nullable=True)
SCHEMA = Schema((KEY, TEXT, DOCUMENT))

LETTERS = "abé中\U0001f600%_\\ "
TEXTS = st.lists(st.one_of(st.none(), st.text(LETTERS, max_size=12), st.text(max_size=6)), max_size=30)
LENGTHS = st.tuples(st.integers(1, 4), st.integers(0, 3)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def source_of(texts: list[str | None], documents: list[bytes | None] | None = None) -> BatchSource:
    columns = {
        KEY.id: Column(KEY, pa.array(range(len(texts)), pa.int64())),
        TEXT.id: Column(TEXT, pa.array(texts, pa.large_string())),
        DOCUMENT.id: Column(DOCUMENT, pa.array(documents or [None] * len(texts), pa.large_binary())),
    }
    return BatchSource(ColumnBatch(columns, len(texts)))


def index_of(source: BatchSource, lengths: tuple[int, int] = (2, 3), path: str = "s") -> NgramIndex:
    operand = indexed_operand(SCHEMA, (TEXT if path == "s" else DOCUMENT).id, path)
    return build_ngrams(operand, source, NgramBuild(min_gram=lengths[0], max_gram=lengths[1]))


def leaf_of(text: str, **templates: Any) -> OperandLeaf:
    leaf = bind(text, SCHEMA, templates)
    assert isinstance(leaf, OperandLeaf)
    return leaf


def assert_sound(index: NgramIndex, leaf: OperandLeaf, source: BatchSource) -> Bitset | None:
    """Check the candidates and return them, None when the index has nothing to say."""
    answer = index.answer(leaf)
    if answer is None:
        return None
    found, true = answer.truth(), evaluate(leaf, source)
    missed = true.true_rows(negated=False) - found.true_rows(negated=False)
    assert missed.count() == 0, (leaf, missed.rows())
    assert found.known == true.known
    assert not answer.exact
    assert answer.work >= found.value.count() or answer.work == index.num_rows
    return found.value


def candidates_of(index: NgramIndex, leaf: OperandLeaf, source: BatchSource) -> Bitset:
    candidates = assert_sound(index, leaf, source)
    assert candidates is not None
    return candidates


# --- no row is left out ---


@given(TEXTS, st.text(LETTERS, max_size=10), LENGTHS)
@example(["中文"], "%文", (1, 1))
@example(["a%b"], "%\\%%", (1, 2))
def test_candidates_of_like_hold_every_match(texts: list[str | None], pattern: str, lengths: tuple[int, int]) -> None:
    assume(not pattern.replace("\\\\", "").endswith("\\"))
    source = source_of(texts)
    predicate = bind("s like {p}", SCHEMA, {"p": pattern})
    if isinstance(predicate, OperandLeaf):
        assert_sound(index_of(source, lengths), predicate, source)


@given(TEXTS, st.text(LETTERS, max_size=8), st.sampled_from(Matching), LENGTHS)
def test_candidates_of_every_matching_hold_every_match(
    texts: list[str | None], part: str, matching: Matching, lengths: tuple[int, int]
) -> None:
    source = source_of([*texts, part, f"{part}a", f"中{part}", f"a{part}b"])
    assume(matching is not Matching.LIKE or not part.replace("\\\\", "").endswith("\\"))
    pattern = "".join(rf"\x{{{ord(letter):x}}}" for letter in part) if matching is Matching.REGEX else part
    leaf = Match(indexed_operand(SCHEMA, TEXT.id, "s"), matching, pattern)
    assert_sound(index_of(source, lengths), leaf, source)


REGEX_LETTERS = "ab-,02{}[]&~^<>: "


def regexes() -> st.SearchStrategy[str]:
    """Patterns by construction: what most of them mean is shared by every reader, and they often match."""
    atoms = st.sampled_from(
        ["a", "b", "ab", "ba", ".", "中", r"\d", r"\w", r"\.", r"\-", r"\<", r"\&", r"\x61", r"\x{62}", "[ab]",
         "[a-b]", "[^a]", "[0-9]", "[--a]", "[]a]", "[a-]", "[ab&&b]", "[a[b]", "[[:alpha:]]", "^", "$",
         r"\b", "", " ", "{", "}"]
    )  # fmt: skip
    counts = st.sampled_from(["?", "*", "+", "{2}", "{0}", "{1,2}", "{2,}", "{,2}", "{ 2 }", "+?", "{1}?"])
    groups = st.sampled_from(["({})", "(?:{})", "(?s:{})", "(?i:{})", "(?P<n{}>x)"])
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=4).map("".join),
            st.lists(inner, min_size=2, max_size=3).map("|".join),
            st.tuples(inner, counts).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
            st.tuples(inner, counts).map("".join),
            st.tuples(groups, inner).map(lambda pair: pair[0].replace("{}", pair[1])),
        ),
        max_leaves=8,
    )


@given(
    st.lists(st.text("ab中" + REGEX_LETTERS, max_size=8), max_size=20),
    st.one_of(regexes(), st.text("ab" + REGEX_LETTERS + "()|*+?$.\\dwQEz", max_size=12)),
    LENGTHS,
)
@example(["ab&c", "bcd"], "[ab&&b]cd", (2, 2))
@example(["a{ 2 }b"], "a{ 2 }b", (2, 2))
@example(["acd"], "[--a]cd", (2, 2))
@example(["c]xyz"], "[a[b]|c]xyz", (2, 3))
@example(["a<b"], r"a\<b", (2, 2))
@example(["a{start}b"], r"\ba\b{start}b", (2, 2))
def test_candidates_of_a_regex_hold_every_match(texts: list[str], pattern: str, lengths: tuple[int, int]) -> None:
    try:
        pc.match_substring_regex(pa.array([""]), pattern=pattern)
    except pa.ArrowInvalid:
        assume(condition=False)
    source = source_of([*texts])
    leaf = Match(indexed_operand(SCHEMA, TEXT.id, "s"), Matching.REGEX, pattern)
    assert_sound(index_of(source, lengths), leaf, source)


@given(st.lists(st.one_of(st.none(), st.text('ab[]{}",: ', max_size=8)), max_size=20), st.text("ab[]{}", max_size=4))
def test_only_the_strings_of_a_path_are_indexed(values: list[str | None], part: str) -> None:
    import orjson

    documents: list[bytes | None] = [orjson.dumps({"k": value}) for value in values]
    documents += [None, b"{}", b'{"k": ["ab", "ab"]}', b'{"k": {"ab": "ab"}}', b'{"k": 12}', b'"ab"']
    source = source_of(["ab"] * len(documents), documents)
    index = index_of(source, (1, 2), 'j["k"]')
    leaf = Match(indexed_operand(SCHEMA, DOCUMENT.id, 'j["k"]'), Matching.CONTAINS, part)
    candidates = assert_sound(index, leaf, source)
    if candidates is not None:
        assert candidates.count() <= sum(value is not None and part in value for value in values) + 5
        assert not candidates.mask()[len(values) :].any()


# --- few others come along ---


def words(count: int) -> list[str]:
    rng = random.Random(3)
    lexicon = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 8))) for _ in range(2000)]
    return [" ".join(rng.choices(lexicon, k=6)) for _ in range(count)]


@pytest.mark.parametrize(
    "ask",
    ['s like "%{}%"', 's like "%{}"', 's like "{}%"', 's like "%{}_%"', 's =~ "{}( [a-z]+)?$"', 's =~ "(qqq|{})[^x]*"',
     's like "%{}%" '],
)  # fmt: skip
def test_a_rare_word_leaves_few_candidates(ask: str) -> None:
    texts = words(5000)
    source = source_of(list(texts))
    index = index_of(source)
    word = texts[17].split()[-1]
    leaf = leaf_of(ask.format(word))
    assert candidates_of(index, leaf, source).count() <= 3 * sum(word in text for text in texts)


def test_equality_is_answered_by_the_grams_of_the_text() -> None:
    texts = words(500)
    source = source_of(list(texts))
    leaf = leaf_of(f'not (s == "{texts[3]}")')
    assert isinstance(leaf, Compare)
    assert candidates_of(index_of(source), leaf, source).rows().tolist() == [3]


@pytest.mark.parametrize(
    "text",
    ['s like "%a%"', 's like "%"', 's like "%a_b%"', 's =~ "(?i)abcdef"', 's =~ "a|bcd"', 's =~ "[a-z]+"', 's > "abc"',
     's in ["abc", "def"]', 's == "a"', 's =~ "^$"'],
)  # fmt: skip
def test_what_no_gram_tells_is_left_to_the_column(text: str) -> None:
    assert index_of(source_of(["abc"])).answer(leaf_of(text)) is None


def test_a_long_pattern_is_not_kept_in_memory() -> None:
    operand = indexed_operand(SCHEMA, TEXT.id, "s")
    index, long = index_of(source_of(["abc"])), "x" * 10_000
    tracemalloc.start()
    try:
        for number in range(50):
            assert index.answer(Match(operand, Matching.CONTAINS, f"{number}{long}")) is not None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 5 * len(long)


# --- building ---


@given(st.lists(st.text(max_size=20), min_size=1, max_size=60), LENGTHS)
def test_little_memory_changes_nothing(texts: list[str], lengths: tuple[int, int]) -> None:
    columns = varlen_buffers(pa.array(texts, pa.large_string()))
    whole = ngram.build(*columns, None, lengths)
    for working_bytes in (0, 2000):
        parts = ngram.build(*columns, None, lengths, working_bytes=working_bytes)
        assert all((one == other).all() for one, other in zip(whole, parts, strict=True))


def test_long_grams_are_cut_to_what_helps() -> None:
    source = source_of(["a rather long text of many characters", None])
    index = index_of(source, (2, 2_000_000_000))
    assert index.engine.endswith("grams of 2 to 8 characters")
    assert candidates_of(index, leaf_of('s like "%long text of%"'), source).rows().tolist() == [0]
    assert index_of(source, (30, 40)).engine.endswith("grams of 30 to 30 characters")


@pytest.mark.parametrize("texts", [[], [None], [None] * 9, ["", "", None], ["x"], ["\U0010ffff" * 3]])
def test_odd_segments(texts: list[str | None], tmp_path: Path) -> None:
    source = source_of(texts)
    index_of(source).save(tmp_path)
    index = load_ngrams(tmp_path, indexed_operand(SCHEMA, TEXT.id, "s"))
    leaf = leaf_of('s like "%\U0010ffff\U0010ffff%"')
    candidates = candidates_of(index, leaf, source)
    assert candidates.count() == sum(text is not None and len(text) == 3 for text in texts)
    assert select(leaf, source) == candidates


def test_offsets_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match="row 1"):
        ngram.build(np.array([0, 2, 1]), np.zeros(4, np.uint8), None, (1, 1))
    with pytest.raises(ValueError, match="known"):
        ngram.build(np.array([0, 2, 4]), np.zeros(4, np.uint8), np.zeros(0, np.uint8), (1, 1))
    with pytest.raises(ValueError, match="min_gram"):
        NgramQuery.of_texts(["abc"], 3, 2)


# --- files ---

TAMPERED: dict[str, Any] = {
    "hashes": lambda found: found["hashes"][::-1],
    "counts": lambda found: found["counts"] + np.uint32(1),
    "ends": lambda found: found["ends"][::-1],
    "rows": lambda found: found["rows"] | np.uint8(0x80),
    "known": lambda found: np.full(1, 0xFF, np.uint8),
}


@pytest.mark.parametrize("section", TAMPERED)
def test_postings_that_do_not_fit_together_are_damage(section: str, tmp_path: Path) -> None:
    operand = indexed_operand(SCHEMA, TEXT.id, "s")
    index_of(source_of([*words(40), None])).save(tmp_path)
    opened = read_sections(tmp_path)
    types = {"known": np.uint8, "hashes": np.uint64, "counts": np.uint32, "ends": np.uint64, "rows": np.uint8}
    found = {name: opened.numbers(name, dtype).copy() for name, dtype in types.items()}
    (tmp_path / SECTIONS_FILE).unlink()
    write_sections(tmp_path, found | {section: TAMPERED[section](found)})
    with pytest.raises(DataCorrupted, match=rf"index\.arrow, section {'known' if section == 'known' else 'rows'}"):
        load_ngrams(tmp_path, operand)


def test_a_header_without_lengths_is_damage(tmp_path: Path) -> None:
    index_of(source_of(["abc"])).save(tmp_path)
    header = (tmp_path / "header.json").read_text()
    (tmp_path / "header.json").write_text(header.replace("min_gram", "mim_gram"))
    with pytest.raises(DataCorrupted, match="other parameters"):
        load_ngrams(tmp_path, indexed_operand(SCHEMA, TEXT.id, "s"))
