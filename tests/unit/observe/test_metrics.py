import pytest

from elanus.observe.metrics import Gauge, Metrics


def test_a_page_shows_every_series_in_the_text_format():
    metrics = Metrics()
    gauge = metrics.gauge("elanus_recall_estimate", "Share found.", "collection_name", "field_name")
    gauge.set(0.97125, "books", "embedding")
    gauge.set(1.0, "authors", "embedding")
    assert metrics.page() == (
        "# HELP elanus_recall_estimate Share found.\n"
        "# TYPE elanus_recall_estimate gauge\n"
        'elanus_recall_estimate{collection_name="authors",field_name="embedding"} 1\n'
        'elanus_recall_estimate{collection_name="books",field_name="embedding"} 0.97125\n'
    )


def test_names_with_quotes_and_line_ends_stay_on_their_line():
    gauge = Gauge("g", "a\nb", ("name",))
    gauge.set(float("inf"), 'x"\\\n')
    assert list(gauge.lines()) == ["# HELP g a\\nb", "# TYPE g gauge", 'g{name="x\\"\\\\\\n"} +Inf']


def test_a_gauge_without_labels_has_no_braces():
    gauge = Gauge("up", "", ())
    gauge.set(float("nan"))
    assert list(gauge.lines())[-1] == "up NaN"


def test_series_beyond_the_limit_share_one():
    gauge = Gauge("g", "", ("name",), most_series=2)
    for number, name in enumerate(("a", "b", "c", "d")):
        gauge.set(number, name)
    assert [gauge.get(name) for name in ("a", "b", "c", "d", "other")] == [0, 1, None, None, 3]


def test_a_removed_series_is_gone_and_may_be_removed_again():
    gauge = Gauge("g", "", ("name",))
    gauge.set(1, "a")
    gauge.remove("a")
    gauge.remove("a")
    assert gauge.get("a") is None


def test_a_gauge_is_declared_once_with_one_set_of_labels():
    metrics = Metrics()
    assert metrics.gauge("g", "", "a") is metrics.gauge("g", "", "a")
    with pytest.raises(ValueError, match="labels"):
        metrics.gauge("g", "", "b")
    with pytest.raises(ValueError, match="2 values"):
        metrics.gauge("g", "", "a").set(1, "x", "y")
