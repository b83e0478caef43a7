"""``elanus explain``: ask a server, or the owner of a data folder, what a filter does, and show it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from elanus.server.grpc import messages as pb
from elanus.server.grpc.explain import SERVICE
from elanus.server.grpc.templates import encode_values

CALL_LIMIT_S = 600.0


class ExplainError(Exception):
    """The explanation could not be had; the text says why."""


def explain(
    collection: str,
    text: str,
    *,
    uri: str | None,
    data: Path,
    database: str,
    partitions: list[str],
    values: list[str],
    as_json: bool,
) -> None:
    """Print what a filter does to a collection; raises ExplainError with the server's words."""
    request = pb.QueryRequest(
        db_name=database,
        collection_name=collection,
        expr=text,
        partition_names=partitions,
        expr_template_values=encode_values(_parsed(values)),
        use_default_consistency=True,
    )
    with _address(uri, data) as address:
        report = _call(address, request)
    if as_json:
        print(report)
        return
    from rich.console import Console

    from elanus.cli.reports import print_filter_report

    print_filter_report(orjson.loads(report), Console(highlight=False))


def _parsed(values: list[str]) -> dict[str, Any]:
    """Return template values written as ``name=JSON``."""
    parsed = {}
    for entry in values:
        name, equals, text = entry.partition("=")
        try:
            parsed[name] = json.loads(text)
        except json.JSONDecodeError:
            equals = ""
        if not equals or not name.isidentifier():
            raise ExplainError(f"--value {entry}: write NAME=JSON, such as limit=10 or colors='[\"red\"]'")
    return parsed


@contextlib.contextmanager
def _address(uri: str | None, data: Path) -> Iterator[str]:
    """Give the address to call: the one named, or that of the folder's owner, started when there is none."""
    if uri is not None:
        yield uri
        return
    from elanus.embedded.attach import attached
    from elanus.embedded.places import EmbeddedError

    if not data.exists():
        raise ExplainError(f"there is no data folder {data}; name one with --data, or a server with --uri")
    try:
        with attached(data) as address:
            yield address
    except EmbeddedError as error:
        raise ExplainError(str(error)) from None


def _call(address: str, request: pb.Message) -> str:
    try:
        import grpc
    except ImportError:
        raise ExplainError("a command that asks a server needs a client: pip install 'elanus[client]'") from None
    with grpc.insecure_channel(address.removeprefix("http://")) as channel:
        method = channel.unary_unary(f"/{SERVICE}/ExplainFilter")
        try:
            body = method(request.SerializeToString(), timeout=CALL_LIMIT_S)
        except grpc.RpcError as error:
            raise ExplainError(f"{address}: {error.details()}") from None
    reply = pb.StringResponse.FromString(body)
    if reply.status.code:
        raise ExplainError(str(reply.status.reason))
    return str(reply.value)
