"""Which names pass, and in which words the others are refused."""

import pytest

from elanus.model import names
from elanus.model.errors import ElanusError, FieldNameInvalid, InvalidDatabaseName

LONGEST = "a" * 255
COLLECTION_LIKE = [names.check_collection_name, names.check_alias_name, names.check_database_name]
ALL = [*COLLECTION_LIKE, names.check_partition_name, names.check_field_name, names.check_index_name]


def refusal(check, name) -> ElanusError:
    with pytest.raises(ElanusError) as caught:
        check(name)
    return caught.value


@pytest.mark.parametrize("check", ALL)
@pytest.mark.parametrize("name", ["a", "_", "_1", "Ab_9", LONGEST[:-1], LONGEST])
def test_letters_digits_and_underscores_up_to_255_bytes_pass(check, name):
    check(name)


@pytest.mark.parametrize("check", ALL)
@pytest.mark.parametrize("name", [LONGEST + "a", "é", "a b", "a$", "a\nb", "$a", "名"])
def test_other_characters_and_longer_names_are_refused(check, name):
    expected = {names.check_field_name: 1701, names.check_database_name: 802}.get(check, 1100)
    assert refusal(check, name).code == expected


@pytest.mark.parametrize("check", COLLECTION_LIKE)
@pytest.mark.parametrize("name", ["1a", "a-b", " a", "a ", "a\n", "a[b]"])
def test_collection_alias_and_database_names_are_not_trimmed(check, name):
    refusal(check, name)


@pytest.mark.parametrize("name", ["1a", "a-b", "-".join("ab"), " a "])
def test_partition_names_may_begin_with_a_digit_and_hold_hyphens(name):
    names.check_partition_name(name)


@pytest.mark.parametrize("name", ["", "  ", "s[sub]"])
def test_index_names_may_be_empty_or_hold_brackets(name):
    names.check_index_name(name)


@pytest.mark.parametrize(
    ("check", "name", "phrase"),
    [
        (names.check_collection_name, "", "collection name should not be empty: invalid parameter"),
        (
            names.check_collection_name,
            "1a",
            "Invalid collection name: 1a. the first character of a collection name must be an underscore or letter: "
            "invalid parameter",
        ),
        (names.check_collection_name, "a-b", "collection name can only contain numbers, letters and underscores"),
        (
            names.check_collection_name,
            LONGEST + "a",
            "the length of a collection name must be less than 255 characters",
        ),
        (names.check_alias_name, "", "collection alias should not be empty"),
        (
            names.check_alias_name,
            "$",
            "Invalid collection alias: $. the first character of a collection alias must be an underscore or letter",
        ),
        (names.check_partition_name, " ", "Invalid partition name: . Partition name should not be empty."),
        (
            names.check_partition_name,
            "-a",
            "Invalid partition name: -a. The first character of a partition name must be an underscore or letter.",
        ),
        (names.check_partition_name, "a!", "Partition name can only contain numbers, letters and underscores."),
        (
            names.check_partition_name,
            LONGEST + "a",
            "The length of a partition name must be less than 255 characters.",
        ),
        (names.check_field_name, "", "field name should not be empty: field name invalid[field=]"),
        (
            names.check_field_name,
            "1a",
            "Invalid field name: 1a. The first character of a field name must be an underscore or letter.: "
            "field name invalid[field=1a]",
        ),
        (names.check_field_name, "a-b", "Field name can only contain numbers, letters, and underscores."),
        (names.check_field_name, "RowID", "is reserved for internal use"),
        (names.check_index_name, "1", "Invalid index name: 1"),
        (names.check_database_name, "", "database name couldn't be empty: invalid database name[database=]"),
        (
            names.check_database_name,
            "1d",
            "the first character of a database name must be an underscore or letter: "
            "invalid database name[database=1d]",
        ),
        (names.check_database_name, "a-b", "database name can only contain"),
        (names.check_database_name, LONGEST + "a", "the length of a database name must be less than 255 characters"),
    ],
)
def test_refusals_say_what_clients_match_on(check, name, phrase):
    assert phrase in str(refusal(check, name))


@pytest.mark.parametrize(
    "name", ["$meta", "like", "in", "exists", "EXISTS", "json_contains_any", "TEXT_MATCH", "True", "FALSE", "nUlL"]
)
def test_words_of_the_filter_language_are_no_field_names(name):
    error = refusal(names.check_field_name, name)
    assert isinstance(error, FieldNameInvalid)
    assert f"{name} is keyword in milvus." in str(error)


@pytest.mark.parametrize("name", ["LIKE", "In", "Exists", "tRue", "nulls", "timestamp"])
def test_other_spellings_of_those_words_are_field_names(name):
    names.check_field_name(name)


def test_a_bad_database_name_has_its_own_code():
    assert isinstance(refusal(names.check_database_name, "ä"), InvalidDatabaseName)
