"""The envelope of every call: which RPC, whose database, and how a failure is said."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from elanus.engine.base import CollectionName, Command
from elanus.engine.collections import DescribeCollection, DropCollection, HasCollection
from elanus.engine.data import Delete
from elanus.engine.databases import ListDatabases
from elanus.engine.partitions import HasPartition, Load
from elanus.engine.schemas import GetSchema
from elanus.engine.search import Search
from elanus.engine.system import GetVersion
from elanus.model import deadline
from elanus.model.errors import (
    CannotFindCollection,
    CollectionNotFound,
    CollectionNotLoaded,
    ElanusError,
    IndexNotFound,
    InvalidParameter,
    NotReady,
    PartitionNotFound,
    SchemaMismatch,
    Wrapped,
)
from elanus.model.ids import FieldId
from elanus.model.schema import Schema, StructField
from elanus.server.dispatch import Dispatcher
from elanus.server.grpc import messages as pb
from elanus.server.grpc import status
from elanus.server.grpc.rpc import RPCS
from elanus.server.grpc.search import SHAPES
from elanus.server.rpc_status import GrpcCode, RpcAbort

PREFIX = "/milvus.proto.milvus.MilvusService/"
SERVICE = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"]


class Answers:
    """An engine of fixed answers: a value, an error to raise, or a function of the command, by its kind."""

    def __init__(self, answers: Mapping[type[Command[Any]], Any]) -> None:
        self.answers = answers
        self.seen: list[Any] = []

    def execute(self, command: Any) -> Any:
        self.seen.append(command)
        answer = self.answers[type(command)]
        if isinstance(answer, Exception):
            raise answer
        return answer(command) if isinstance(answer, Callable) else answer


def ask(answers: Mapping[type[Command[Any]], Any], name: str, request: Any, **metadata: str) -> bytes:
    return Dispatcher(Answers(answers))(PREFIX + name, metadata, request.SerializeToString())


# --- the table ---


@pytest.mark.parametrize("path", [path for path in RPCS if path.startswith(PREFIX)])
def test_every_rpc_answers_with_the_message_that_the_service_declares(path: str) -> None:
    declared = SERVICE.methods_by_name[path.removeprefix(PREFIX)]
    assert RPCS[path].reply().DESCRIPTOR.full_name == declared.output_type.full_name


def test_a_method_that_is_not_served_is_unimplemented_by_name() -> None:
    served = {path.removeprefix(PREFIX) for path in RPCS}
    for name in set(SERVICE.methods_by_name) - served:
        with pytest.raises(RpcAbort) as caught:
            Dispatcher(Answers({}))(PREFIX + name, {}, b"")
        assert caught.value.code is GrpcCode.UNIMPLEMENTED
        assert name in caught.value.message


@pytest.mark.parametrize("method", ["/other.Service/Search", PREFIX + "NoSuchMethod", "nonsense", ""])
def test_an_unknown_method_is_unimplemented(method: str) -> None:
    with pytest.raises(RpcAbort) as caught:
        Dispatcher(Answers({}))(method, {}, b"")
    assert caught.value.code is GrpcCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("over", "code"),
    [(deadline.Expired("late"), GrpcCode.DEADLINE_EXCEEDED), (deadline.Cancelled("gone"), GrpcCode.CANCELLED)],
)
def test_a_call_that_is_over_ends_with_its_grpc_status(over: deadline.CallOver, code: GrpcCode) -> None:
    with pytest.raises(RpcAbort) as caught:
        ask({HasCollection: over}, "HasCollection", milvus_pb2.HasCollectionRequest(collection_name="c"))
    assert caught.value.code is code


@pytest.mark.parametrize("path", RPCS)
def test_bytes_that_are_no_request_are_refused_for_good(path: str) -> None:
    with pytest.raises(RpcAbort) as caught:
        Dispatcher(Answers({}))(path, {}, b"\x0a\xff\xff\xff\xff\x0f")
    assert caught.value.code is GrpcCode.INVALID_ARGUMENT


@pytest.mark.parametrize("path", [PREFIX + "Insert", PREFIX + "Upsert"])
@pytest.mark.parametrize("inside", [False, True])
def test_columns_that_are_no_messages_are_refused_for_good(path: str, inside: bool) -> None:
    column = schema_pb2.FieldData(field_name="s", type=200)
    column.struct_arrays.fields.add(field_name="part")
    broken = column.SerializeToString().replace(b"part" if inside else b"s", b"\xff" * (4 if inside else 1))
    body = milvus_pb2.InsertRequest(collection_name="c").SerializeToString() + b"\x2a" + bytes([len(broken)]) + broken
    with pytest.raises(RpcAbort, match="UTF-8") as caught:
        Dispatcher(Answers({GetSchema: Schema((), structs=(StructField(id=FieldId(1), name="s"),))}))(path, {}, body)
    assert caught.value.code is GrpcCode.INVALID_ARGUMENT


def test_calls_that_wait_get_the_slow_lane() -> None:
    names = {path.removeprefix(PREFIX) for path in Dispatcher(Answers({})).slow_methods}
    assert {"LoadCollection", "LoadPartitions", "Flush", "FlushAll"} <= names
    assert not names & {"Search", "Query", "Insert", "Upsert", "Delete"}


# --- databases ---


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [("own", "sent", "own"), ("", "sent", "sent"), ("", "", "default"), ("", None, "default")],
)
def test_the_database_is_the_requests_or_the_headers_or_the_default_one(
    body: str, header: str | None, expected: str
) -> None:
    engine = Answers({HasCollection: True})
    metadata = {} if header is None else {"dbname": header}
    request = milvus_pb2.HasCollectionRequest(db_name=body, collection_name="c")
    Dispatcher(engine)(PREFIX + "HasCollection", metadata, request.SerializeToString())
    assert engine.seen == [HasCollection(CollectionName(expected, "c"))]


# --- statuses ---


def test_success_is_an_empty_status_that_is_present() -> None:
    reply = milvus_pb2.BoolResponse.FromString(ask({HasPartition: True}, "HasPartition", pb.HasPartitionRequest()))
    assert reply.value
    assert reply.HasField("status")
    assert (reply.status.code, reply.status.error_code, reply.status.reason) == (0, 0, "")


ERRORS: list[tuple[ElanusError, int, int, bool, bool]] = [
    (CollectionNotFound(database="default", collection="c"), 100, 4, False, True),
    (CannotFindCollection(database="default", collection="c"), 100, 4, False, True),
    (CollectionNotLoaded(collection="c"), 101, 1, False, False),
    (SchemaMismatch(collection="c"), 109, 62, False, True),
    (PartitionNotFound(partition="p"), 200, 15, False, True),
    (IndexNotFound(collection="c"), 700, 25, False, False),
    (InvalidParameter("bad"), 1100, 5, False, True),
    (NotReady(), 1, 56, True, False),
    (Wrapped("failed to search", CollectionNotLoaded(collection="c")), 101, 1, False, False),
    (ElanusError(), 65535, 1, False, False),
]


@pytest.mark.parametrize(("error", "code", "legacy", "retriable", "is_input"), ERRORS)
def test_an_error_is_told_in_the_status(
    error: ElanusError, code: int, legacy: int, retriable: bool, is_input: bool
) -> None:
    body = ask({DropCollection: error}, "DropCollection", pb.DropCollectionRequest(collection_name="c"))
    reply = common_pb2.Status.FromString(body)
    assert (reply.code, reply.error_code, reply.retriable) == (code, legacy, retriable)
    assert reply.reason == reply.detail == str(error)
    assert dict(reply.extra_info) == ({"is_input_error": "true"} if is_input else {})


def test_the_wording_that_clients_look_for_survives() -> None:
    error = CannotFindCollection(database="default", collection="c")
    body = ask({DescribeCollection: error}, "DescribeCollection", pb.DescribeCollectionRequest(collection_name="c"))
    reply = milvus_pb2.DescribeCollectionResponse.FromString(body)
    assert reply.status.reason == "can't find collection[database=default][collection=c]"


def test_a_failed_write_has_the_key_that_clients_read_without_asking() -> None:
    body = ask({Delete: InvalidParameter("bad")}, "Delete", pb.DeleteRequest(collection_name="c"))
    reply = milvus_pb2.MutationResult.FromString(body)
    assert reply.status.code == 1100
    assert reply.status.extra_info["report_value"] == "0"


def test_an_unforeseen_failure_is_logged_and_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="elanus.server"):
        body = ask({HasCollection: RuntimeError("secret path /x")}, "HasCollection", pb.HasCollectionRequest())
    reply = milvus_pb2.BoolResponse.FromString(body)
    assert reply.status.code == 65535
    assert reply.status.reason == "unexpected error"
    assert "secret path" in caplog.text


def test_a_call_can_end_with_a_grpc_status() -> None:
    with pytest.raises(RpcAbort, match="UNAUTHENTICATED"):
        ask({GetVersion: RpcAbort(GrpcCode.UNAUTHENTICATED, "no")}, "GetVersion", pb.GetVersionRequest())


def test_a_reply_without_a_status_cannot_carry_an_error() -> None:
    with pytest.raises(InvalidParameter):
        status.fail(pb.GetReplicateInfoResponse(), InvalidParameter("bad"))


def test_the_status_is_found_where_the_reply_keeps_it() -> None:
    reply = pb.AlterCollectionSchemaResponse()
    status.fail(reply, InvalidParameter("bad"))
    assert reply.alter_status.code == 1100


# --- small mappings ---


def test_a_missing_replica_number_means_one() -> None:
    engine = Answers({Load: None})
    request = pb.LoadCollectionRequest(collection_name="c")
    Dispatcher(engine)(PREFIX + "LoadCollection", {}, request.SerializeToString())
    assert engine.seen == [Load(CollectionName("default", "c"))]


def test_lists_come_out_parallel() -> None:
    body = ask({ListDatabases: ()}, "ListDatabases", pb.ListDatabasesRequest())
    reply = milvus_pb2.ListDatabasesResponse.FromString(body)
    assert (list(reply.db_names), list(reply.db_ids), list(reply.created_timestamp)) == ([], [], [])


# --- messages ---


def test_messages_need_neither_client_nor_grpc_and_bear_them_in_one_process() -> None:
    code = (
        "import sys\n"
        "from elanus.server.grpc import messages as pb\n"
        "assert not {'pymilvus', 'grpc'} & set(sys.modules)\n"
        "own = pb.HasPartitionRequest(partition_name='p').SerializeToString()\n"
        "from pymilvus.grpc_gen import milvus_pb2\n"
        "assert milvus_pb2.HasPartitionRequest(partition_name='p').SerializeToString() == own\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_descriptors_are_those_of_the_installed_client() -> None:
    assert pb.method_names() == frozenset(SERVICE.methods_by_name)
    for message in milvus_pb2.DESCRIPTOR.message_types_by_name.values():
        ours = getattr(pb, message.name).DESCRIPTOR
        assert [(f.number, f.name, f.type) for f in ours.fields] == [(f.number, f.name, f.type) for f in message.fields]


def test_an_unknown_message_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchMessage"):
        _ = pb.NoSuchMessage


# --- searches that are asked again ---


def search_request(expr: str) -> Any:
    value = pb.PlaceholderValue(tag="$0", type=101, values=[b"\0\0\x80\x3f"])
    group = pb.PlaceholderGroup(placeholders=[value]).SerializeToString()
    topk = pb.KeyValuePair(key="topk", value="1")
    return pb.SearchRequest(collection_name="c", dsl=expr, placeholder_group=group, search_params=[topk], nq=1)


def test_only_short_searches_are_kept_for_the_next_time() -> None:
    SHAPES.clear()
    for expr in ("a > 1", "a > 1", "a in [" + "1, " * 20_000 + "1]"):
        ask({Search: CollectionNotLoaded()}, "Search", search_request(expr))
    assert [shape.arguments["filter"] for shape in SHAPES.values()] == ["a > 1"]


def test_the_same_search_of_another_database_is_another_one() -> None:
    engine = Answers({Search: CollectionNotLoaded()})
    for database in ("one", "two"):
        body = search_request("").SerializeToString()
        Dispatcher(engine)(PREFIX + "Search", {"dbname": database}, body)
    assert [command.collection.database for command in engine.seen] == ["one", "two"]


def test_a_search_that_is_broken_inside_is_the_callers_fault() -> None:
    body = pb.SearchRequest(collection_name="c").SerializeToString() + b"\x4a\x02\x0a\xff"
    reply = milvus_pb2.SearchResults.FromString(Dispatcher(Answers({}))(PREFIX + "Search", {}, body))
    assert reply.status.code == 1100
