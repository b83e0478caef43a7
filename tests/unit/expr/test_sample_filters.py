"""``random_sample`` as the binder sees it: apart from the predicate, last, and nowhere else."""

from __future__ import annotations

import pickle

import pytest

import filter_table
from elanus.expr import always_true, bind, sampled
from elanus.model.errors import InvalidParameter

_SCHEMA = filter_table.SCHEMA


@pytest.mark.parametrize(
    ("text", "predicate", "fraction"),
    [
        ("random_sample(0.5)", "", 0.5),
        ("RANDOM_SAMPLE(.25)", "", 0.25),
        ("Random_Sample(1e-3)", "", 0.001),
        ("random_sample(0.25 * 2)", "", 0.5),
        ("i > 0 and random_sample(0.5)", "i > 0", 0.5),
        ("i > 0 and n > 1 && random_sample(0.5)", "i > 0 and n > 1", 0.5),
        ("(i > 0 or n > 1) and random_sample(0.5)", "i > 0 or n > 1", 0.5),
        ("i > 0 and (n > 1 and random_sample(0.5))", "i > 0 and n > 1", 0.5),
        ("true and random_sample(0.5)", "true", 0.5),
        ("false and random_sample(0.5)", "false", 0.5),
    ],
)
def test_a_sample_stands_apart_from_the_predicate(text, predicate, fraction):
    bound = bind(text, _SCHEMA)
    assert sampled(bound) == (bind(predicate, _SCHEMA), fraction)
    assert pickle.loads(pickle.dumps(bound)) == bound
    assert bound.fields == bind(predicate, _SCHEMA).fields
    assert not always_true(bound)


def test_a_filter_without_a_sample_is_all_predicate():
    bound = bind("i > 0", _SCHEMA)
    assert sampled(bound) == (bound, None)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("random_sample(0.5) and i > 0", "random sample expression can only be the last expression"),
        ("i > 0 and random_sample(0.5) and n > 1", "random sample expression can only be the last expression"),
        ("random_sample(0.5) and random_sample(0.5)", "random sample expression can only be the last expression"),
        ("(i > 0 and random_sample(0.5)) and n > 1", "random sample expression can only be the last expression"),
        ("i > 0 or random_sample(0.5)", "random sample expression cannot be used in logical or expression"),
        ("i > 0 and (n > 1 or random_sample(0.5))", "random sample expression cannot be used in logical or"),
        ("not random_sample(0.5)", "random sample expression cannot be used in unary expression"),
        ("not (i > 0 and random_sample(0.5))", "random sample expression cannot be used in unary expression"),
        ("random_sample(0.5) == true", "comparison operations cannot be applied to a boolean expression"),
        ("random_sample(1)", "the sample factor should be between 0 and 1 and not too close to 0 or 1"),
        ("random_sample(1.0)", "the sample factor should be between 0 and 1 and not too close to 0 or 1"),
        ("random_sample(0.0)", "the sample factor should be between 0 and 1 and not too close to 0 or 1"),
        ("random_sample(-0.5)", "the sample factor should be between 0 and 1 and not too close to 0 or 1"),
        ("random_sample(1e-11)", "the sample factor should be between 0 and 1 and not too close to 0 or 1"),
        ('random_sample("0.5")', "the sample factor should be between 0 and 1 and not too close to 0 or 1"),
        ("random_sample(i)", '"float factor" should be a const float expression'),
        ("random_sample({p})", '"float factor" should be a const float expression, not a template variable'),
        ("random_sample()", "sample factor missed"),
        ("random_sample(0.5, 0.5)", "sample factor missed"),
    ],
)
def test_a_sample_elsewhere_is_refused(text, phrase):
    with pytest.raises(InvalidParameter, match="error: ") as caught:
        bind(text, _SCHEMA, {"p": 0.5})
    assert phrase in str(caught.value)
