"""What a stock client sends and is answered, byte for byte.

``golden/<case>.request.bin`` and ``.reply.bin`` are the bytes, ``<case>.txt`` says them readably, with the engine's
commands between. ``pytest tests/wire --refresh-golden`` writes them anew.
"""

from __future__ import annotations

import dataclasses
import pprint
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from pymilvus.grpc_gen import milvus_pb2
from wire_cases import CASES, Case

from elanus.engine.settled import SearchAgain
from elanus.model.columns import Column
from elanus.server.dispatch import Dispatcher

GOLDEN = Path(__file__).parent / "golden"
SERVICE = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"]


class Recorded:
    """An engine of fixed answers that keeps what it was asked."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.commands: list[Any] = []

    def execute(self, command: Any) -> Any:
        if isinstance(command, SearchAgain):
            return None  # it was never asked before
        self.commands.append(command)
        answer = self.case.answers[type(command)]
        if isinstance(answer, Exception):
            raise answer
        return answer


def exchange(case: Case, request: bytes) -> tuple[bytes, list[Any]]:
    engine = Recorded(case)
    path = f"/{SERVICE.full_name}/{case.method}"
    return Dispatcher(engine)(path, case.metadata, request), engine.commands


def shown(command: Any) -> str:
    """Return a command as text: its fields that are not their defaults, columns by name and value."""
    return f"{type(command).__name__} {pprint.pformat(plain(command), width=110, sort_dicts=False)}"


def plain(value: Any) -> Any:
    if isinstance(value, Column):
        return {value.field.name: value.data.to_pylist()}
    if isinstance(value, Enum):
        return value.name
    if dataclasses.is_dataclass(value):
        fields = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {field.name: plain(held) for field, held in fields if shows(field, held)}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def shows(field: dataclasses.Field[Any], held: Any) -> bool:
    """Whether a field says anything: it isn't its default, nor the request's bytes over again."""
    if field.name == "plan_key" or isinstance(held, np.ndarray):
        return field.name != "plan_key"
    return held != (field.default if field.default_factory is dataclasses.MISSING else field.default_factory())


def readable(case: Case, request: bytes, commands: list[Any], reply: bytes) -> str:
    declared = SERVICE.methods_by_name[case.method]
    sent = getattr(milvus_pb2, declared.input_type.name).FromString(request)
    common = getattr(milvus_pb2, declared.output_type.name, None)
    answered = (common or milvus_pb2.common__pb2.Status).FromString(reply)
    parts = (
        f"# {case.method}, request",
        text_format.MessageToString(sent),
        "# commands",
        "\n".join(shown(command) for command in commands),
        "# reply",
        text_format.MessageToString(answered),
    )
    return "\n".join(parts)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exchange_is_the_golden_one(case: Case, refresh_golden: bool) -> None:
    built = case.request.SerializeToString(deterministic=True)
    request_file, reply_file = GOLDEN / f"{case.name}.request.bin", GOLDEN / f"{case.name}.reply.bin"
    text_file = GOLDEN / f"{case.name}.txt"
    if refresh_golden:
        GOLDEN.mkdir(exist_ok=True)
        reply, commands = exchange(case, built)
        request_file.write_bytes(built)
        reply_file.write_bytes(reply)
        text_file.write_text(readable(case, built, commands, reply))
    request = request_file.read_bytes()
    assert request == built, "the client sends something else than before"
    reply, commands = exchange(case, request)
    assert readable(case, request, commands, reply) == text_file.read_text()
    assert reply == reply_file.read_bytes()


def test_every_golden_file_belongs_to_a_case() -> None:
    names = {path.name.split(".")[0] for path in GOLDEN.iterdir()}
    assert names == {case.name for case in CASES}
