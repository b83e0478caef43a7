from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elanus._native.json import (
    Extracted,
    Kind,
    explode,
    extract_path,
    object_keys_conflict,
    project_keys,
    validate_json,
)

_ANY_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)),
    max_leaves=12,
)
_SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)


def _rows(texts):
    encoded = [text if isinstance(text, bytes) else text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return offsets, np.frombuffer(b"".join(encoded), dtype=np.uint8)


def _texts(offsets, data):
    whole = data.tobytes()
    return [whole[start:stop].decode() for start, stop in itertools.pairwise(offsets)]


def test_numbers_and_texts_of_a_path():
    rows = ['{"k": 7}', '{"k": -1.5}', r'{"k": "\u4e2d\n"}', '{"k": true}', '{"z": 1, "k": [1, {}]}', "{}"]
    found = extract_path(*_rows(rows), ["k"])
    assert isinstance(found, Extracted)
    assert found.kinds.tolist() == [Kind.INT, Kind.DOUBLE, Kind.STRING, Kind.BOOL, Kind.ARRAY, Kind.MISSING]
    assert found.numbers[0] == 7
    assert found.numbers.view(np.float64)[1] == -1.5
    assert _texts(found.offsets, found.text) == ["", "", "中\n", "", "[1, {}]", ""]


@_SETTINGS
@given(st.lists(_ANY_JSON, max_size=5), st.booleans())
def test_written_values_are_read_back(values, ascii_only):
    found = extract_path(*_rows([json.dumps({"k": value}, ensure_ascii=ascii_only) for value in values]), ["k"])
    for value, kind, number, text in zip(
        values, found.kinds & 0xF, found.numbers, _texts(found.offsets, found.text), strict=True
    ):
        match Kind(kind):
            case Kind.NULL:
                assert value is None
            case Kind.BOOL:
                assert value is bool(number)
            case Kind.INT:
                assert value == number
            case Kind.DOUBLE:
                assert float(value) == np.int64(number).view(np.float64)
            case Kind.STRING:
                assert value == text
            case Kind.OBJECT:
                assert isinstance(value, dict)
                assert text == ""
            case _:
                assert json.loads(text) == value


@_SETTINGS
@given(st.lists(st.lists(_ANY_JSON, max_size=4), max_size=4))
def test_elements_lie_end_to_end(arrays):
    ends, elements = explode(extract_path(*_rows([json.dumps(array) for array in arrays]), []))
    assert np.diff(ends).tolist() == [len(array) for array in arrays]
    assert len(elements.kinds) == sum(map(len, arrays))


@_SETTINGS
@given(_ANY_JSON)
def test_what_is_written_as_json_is_valid(value):
    offsets, data = _rows([json.dumps(value), json.dumps({"k": value}, ensure_ascii=False)])
    assert validate_json(offsets, data, must_be_object=False) == -1
    assert validate_json(offsets[1:], data, must_be_object=True) == -1


@_SETTINGS
@given(_ANY_JSON, st.data())
def test_damaged_json_is_judged_like_the_standard_parser(value, data):
    text = json.dumps(value)
    position = data.draw(st.integers(0, len(text)))
    damaged = (
        text[:position]
        + data.draw(st.sampled_from(["", "x", '"', "}", "]", ",", "1", "-", "\\", "0", "\n"]))
        + text[position + 1 :]
    )
    assert (validate_json(*_rows([damaged]), must_be_object=False) == -1) is _is_json(damaged)


def _is_json(text):
    def refuse(_):
        raise ValueError

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def test_the_first_bad_row_is_named():
    assert validate_json(*_rows(["{}", "[]", "{"]), must_be_object=False) == 2
    assert validate_json(*_rows(["{}", "[]", "{"]), must_be_object=True) == 1
    assert validate_json(*_rows([b'"\xff"']), must_be_object=False) == 0


def test_forbidden_keys_are_found():
    rows = _rows(['{"a": {"id": 1}}', r'{"x": 1, "\u0069d": 2}', '{"$meta": 1}'])
    assert object_keys_conflict(*rows, ["id", "$meta"]) == (1, "id")
    assert object_keys_conflict(*rows, ["$meta"]) == (2, "$meta")
    assert object_keys_conflict(*rows, ["none"]) is None


def test_objects_are_cut_to_the_requested_keys():
    offsets, data = project_keys(*_rows(['{"a": 1, "b": [1, {"a": 2}], "c": "x"}', '{"b":2}', "{}"]), ["a", "c"])
    assert _texts(offsets, data) == ['{"a":1,"c":"x"}', "{}", "{}"]


@pytest.mark.parametrize("offsets", [[], [0, 5], [2, 1], [-1, 1]])
def test_offsets_that_leave_the_data_are_refused(offsets):
    with pytest.raises(ValueError, match="offsets"):
        extract_path(np.array(offsets, dtype=np.int64), np.zeros(2, dtype=np.uint8), [])
