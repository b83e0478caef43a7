"""``elanus explain``: ask a server, or the owner of a data folder, what a filter or a search does, and show it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from elanus.cli.vectors import VectorError, group_of, key_of
from elanus.model.types import DataType
from elanus.server.grpc import messages as pb
from elanus.server.grpc.explain import SERVICE
from elanus.server.grpc.keys import RECALL
from elanus.server.grpc.templates import encode_values

CALL_LIMIT_S = 600.0


class ExplainError(Exception):
    """The explanation could not be had; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a collection is: in a server's database, or in that of the server that has a folder.

    uri  the server to ask, None for that of ``data``
    """

    uri: str | None
    data: Path
    database: str
    collection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter.

    values  of its templates, each ``NAME=JSON``
    """

    text: str
    partitions: list[str]
    values: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search, as it is asked for on the command line.

    like, vector  one of them: a primary key whose vector is searched for, or vectors; see ``vectors.group_of``
    params        each ``NAME=VALUE``
    recall        check also what it misses
    """

    field: str
    like: str | None
    vector: str | None
    limit: int
    params: list[str]
    recall: bool


def explain(place: Place, asked: Filter, search: Search | None, *, as_json: bool) -> None:
    """Print what a filter, or a search through it, does to a collection; raises ExplainError with the server's words.

    search  None for the filter alone
    """
    if search is None and not asked.text:
        raise ExplainError("give a filter to explain, or a field to --search")
    with _connected(place) as server:
        if search is None:
            reply = server.call(SERVICE, "ExplainFilter", _query_request(place, asked), pb.StringResponse)
        else:
            request = _search_request(place, asked, search, server)
            reply = server.call(SERVICE, "ExplainSearch", request, pb.StringResponse)
    if as_json:
        print(reply.value)
        return
    from rich.console import Console

    from elanus.cli.reports import print_filter_report
    from elanus.cli.search_reports import print_search_report

    show = print_filter_report if search is None else print_search_report
    show(orjson.loads(reply.value), Console(highlight=False))


# --- requests ---


def _query_request(place: Place, asked: Filter) -> pb.Message:
    return pb.QueryRequest(
        db_name=place.database,
        collection_name=place.collection,
        expr=asked.text,
        partition_names=asked.partitions,
        expr_template_values=encode_values(_template_values(asked.values)),
        use_default_consistency=True,
    )


def _search_request(place: Place, asked: Filter, search: Search, server: _Server) -> pb.Message:
    if (search.like is None) == (search.vector is None):
        raise ExplainError("say what to search for: --like KEY of a stored row, or --vector FILE.npy or '[0.1, ...]'")
    primary, kind = _field_types(place, search.field, server)
    params = dict(map(_param, search.params))
    if search.recall:
        params[RECALL] = True
    request = pb.SearchRequest(
        db_name=place.database,
        collection_name=place.collection,
        dsl=asked.text,
        dsl_type=1,
        partition_names=asked.partitions,
        expr_template_values=encode_values(_template_values(asked.values)),
        use_default_consistency=True,
    )
    pairs = {"anns_field": search.field, "topk": str(search.limit), "params": orjson.dumps(params).decode()}
    request.search_params.extend(pb.KeyValuePair(key=key, value=value) for key, value in pairs.items())
    try:
        if search.like is not None:
            request.ids.CopyFrom(key_of(search.like, primary))
            request.nq = 1
        else:
            request.placeholder_group, request.nq = group_of(search.vector or "", kind)
    except VectorError as error:
        raise ExplainError(str(error)) from None
    return request


def _field_types(place: Place, name: str, server: _Server) -> tuple[DataType, DataType]:
    """Return the types of a collection's primary key and of one of its fields."""
    request = pb.DescribeCollectionRequest(db_name=place.database, collection_name=place.collection)
    schema = server.call(pb.SERVICE, "DescribeCollection", request, pb.DescribeCollectionResponse).schema
    types = {field.name: DataType(field.data_type) for field in schema.fields}
    vectors = [field for field, kind in types.items() if kind.is_vector]
    if name not in vectors:
        raise ExplainError(f"there is no vector field {name} in {place.collection}; it has {', '.join(vectors)}")
    return next(types[field.name] for field in schema.fields if field.is_primary_key), types[name]


def _template_values(values: list[str]) -> dict[str, Any]:
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


def _param(entry: str) -> tuple[str, Any]:
    """Return a parameter written as ``name=value``; the value is JSON, or else a text."""
    name, equals, text = entry.partition("=")
    if not equals or not name:
        raise ExplainError(f"--param {entry}: write NAME=VALUE, such as ef=64")
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text


# --- calls ---


class _Server:
    """A server that answers calls."""

    def __init__(self, address: str, channel: Any) -> None:
        self._address = address
        self._channel = channel

    def call(self, service: str, name: str, request: pb.Message, reply: Any) -> Any:
        """Return the reply of an RPC; ExplainError with its words when it failed."""
        import grpc

        method = self._channel.unary_unary(f"/{service}/{name}")
        try:
            answer = reply.FromString(method(request.SerializeToString(), timeout=CALL_LIMIT_S))
        except grpc.RpcError as error:
            raise ExplainError(f"{self._address}: {error.details()}") from None
        if answer.status.code:
            raise ExplainError(str(answer.status.reason))
        return answer


@contextlib.contextmanager
def _connected(place: Place) -> Iterator[_Server]:
    """Give the server that has a collection, started when nobody has its folder."""
    try:
        import grpc
    except ImportError:
        raise ExplainError("a command that asks a server needs a client: pip install 'elanus[client]'") from None
    with _address(place) as address, grpc.insecure_channel(address.removeprefix("http://")) as channel:
        yield _Server(address, channel)


@contextlib.contextmanager
def _address(place: Place) -> Iterator[str]:
    """Give the address to call: the one named, or that of the folder's owner, started when there is none."""
    if place.uri is not None:
        yield place.uri
        return
    from elanus.embedded.attach import attached
    from elanus.embedded.places import EmbeddedError

    if not place.data.exists():
        raise ExplainError(f"there is no data folder {place.data}; name one with --data, or a server with --uri")
    try:
        with attached(place.data) as address:
            yield address
    except EmbeddedError as error:
        raise ExplainError(str(error)) from None
