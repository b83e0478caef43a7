"""Logs: one line an event, for people or as JSON. Modules log through the standard library under ``elanus.*``."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

LEVELS = ("debug", "info", "warning", "error")
FORMS = ("text", "json")


def configure(level: str = "info", form: str = "text", stream: TextIO | None = None) -> None:
    """Send the events of ``elanus.*`` at or above a level to a stream, standard error by default.

    level   one of LEVELS
    form    one of FORMS
    raises  ValueError for another level or form
    """
    if level not in LEVELS or form not in FORMS:
        raise ValueError(f"log level {level!r} is one of {', '.join(LEVELS)}; form {form!r} one of {', '.join(FORMS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logger = logging.getLogger("elanus")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


class TextLines(logging.Formatter):
    """``2026-03-01 12:00:00.123 INFO    collection: index built: kind=HNSW rows=5000``, local time."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback below it when there is one."""
        topic = record.name.removeprefix("elanus.")
        line = f"{_stamp(record, time.localtime)} {record.levelname:<7} {topic}: {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonLines(logging.Formatter):
    """One JSON object a line: ``at`` (UTC), ``level``, ``topic``, ``event``, ``thread`` and, of an error, ``trace``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event = {
            "at": _stamp(record, time.gmtime).replace(" ", "T") + "Z",
            "level": record.levelname.lower(),
            "topic": record.name,
            "event": record.getMessage(),
            "thread": record.threadName,
        }
        if record.exc_info:
            event["trace"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)


def _stamp(record: logging.LogRecord, zone: Callable[[float], time.struct_time]) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", zone(record.created))
    return f"{at}.{int(record.msecs):03d}"
