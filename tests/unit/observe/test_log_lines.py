import io
import json
import logging
from collections.abc import Iterator

import pytest

from elanus.observe import log


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    logger = logging.getLogger("elanus")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_text_lines_have_time_level_topic_and_event() -> None:
    out = io.StringIO()
    log.configure("info", "text", out)
    logging.getLogger("elanus.jobs").info("index built: rows=%d", 3)
    logging.getLogger("elanus.jobs").debug("not shown")
    (line,) = out.getvalue().splitlines()
    assert line[23:] == " INFO    jobs: index built: rows=3"


def test_json_lines_hold_one_object_each_with_the_trace_of_an_error() -> None:
    out = io.StringIO()
    log.configure("debug", "json", out)
    logger = logging.getLogger("elanus.server")
    logger.debug("“said”\nin two lines")
    try:
        raise KeyError("x")
    except KeyError:
        logger.exception("failed")
    said, failed = (json.loads(line) for line in out.getvalue().splitlines())
    assert (said["event"], said["level"], said["topic"]) == ("“said”\nin two lines", "debug", "elanus.server")
    assert said["at"].endswith("Z")
    assert "KeyError" in failed["trace"]


def test_configuring_again_replaces_the_first_way() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.configure(stream=first)
    log.configure(stream=second)
    logging.getLogger("elanus.x").warning("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


@pytest.mark.parametrize(("level", "form"), [("loud", "text"), ("info", "xml")])
def test_other_levels_and_forms_are_refused(level: str, form: str) -> None:
    with pytest.raises(ValueError, match="is one of"):
        log.configure(level, form)
