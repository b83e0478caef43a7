"""Play a trace of the model test again: ``PYTHONPATH=tests python tests/model/model_replay.py engine TRACE.jsonl``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from model_driver import Driver
from model_machines import BACKENDS


def main(backend: str, trace: str) -> None:
    """Apply every operation of the trace, checked as in the test."""
    operations = [json.loads(line) for line in Path(trace).read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(BACKENDS[backend](Path(folder) / "data"), Path(folder) / "replayed.jsonl")
        for number, operation in enumerate(operations):
            print(number, operation)
            driver.apply(operation.pop("op"), **operation)
        driver.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
