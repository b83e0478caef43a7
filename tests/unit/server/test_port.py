"""The port as gRPC clients meet it: a real server, real channels, real sockets."""

import logging
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace

import grpc
import numpy as np
import pytest

from elanus._native import kernels
from elanus._native.kernels import Vectors
from elanus.model import deadline, waiting
from elanus.model.settings import ServerSettings
from elanus.model.types import DataType, Metric
from elanus.server.port import MOST_SUBSTITUTES, Port
from elanus.server.rpc_status import GrpcCode, RpcAbort

MIB = 1024 * 1024
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
LIMIT_S = 20.0
SETTINGS_FOR_TESTS = ServerSettings(port=0, message_bytes=2 * MIB, reply_bytes=3 * MIB)

Handler = Callable[[Mapping[str, str], bytes], bytes]


class Service:
    """A dispatcher of named handlers, two of which can be held back."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()
        self.handlers: dict[str, Handler] = {
            "/t/Echo": lambda metadata, body: body,
            "/t/Size": lambda metadata, body: str(len(body)).encode(),
            "/t/Grow": lambda metadata, body: bytes(int(body)),
            "/t/Hold": self.hold,
            "/t/SlowHold": self.hold,
            "/t/Wait": self.wait,
        }

    def hold(self, metadata: Mapping[str, str], body: bytes) -> bytes:
        self.entered.release()
        assert self.release.wait(LIMIT_S)
        return body

    def wait(self, metadata: Mapping[str, str], body: bytes) -> bytes:
        with waiting.waiting(), waiting.waiting():
            return self.hold(metadata, body)

    def __call__(self, method: str, metadata: Mapping[str, str], body: bytes) -> bytes:
        handler = self.handlers.get(method)
        if handler is None:
            raise RpcAbort(GrpcCode.UNIMPLEMENTED, f"unknown method {method}")
        return handler(metadata, body)

    def wait_entered(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=LIMIT_S)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.release.set()


@pytest.fixture
def serve(service: Service) -> Iterator[Callable[..., Port]]:
    """Start a port with changed settings; closed at the end."""
    with ExitStack() as stack:

        def start(**changes: object) -> Port:
            settings = replace(SETTINGS_FOR_TESTS, **changes)
            return stack.enter_context(Port(service, settings, slow_methods=["/t/SlowHold"]))

        yield start
        service.release.set()


@pytest.fixture
def connect() -> Iterator[Callable[..., grpc.Channel]]:
    """Open a channel of its own connection to a port; closed at the end."""
    with ExitStack() as stack:

        def channel(port: Port, *options: tuple[str, object], compression: object = None) -> grpc.Channel:
            every = [
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.enable_retries", 0),
                *options,
            ]
            return stack.enter_context(
                grpc.insecure_channel(port.address.target, options=every, compression=compression)
            )

        yield channel


def call(channel: grpc.Channel, method: str, body: bytes, **kwargs: object) -> bytes:
    return channel.unary_unary(method)(body, **{"timeout": LIMIT_S, **kwargs})


def failure(channel: grpc.Channel, method: str, body: bytes, **kwargs: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, body, **kwargs)
    return caught.value.code(), caught.value.details()


def http2_frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def raw(port: Port) -> socket.socket:
    return socket.create_connection((port.address.host, port.address.port), timeout=LIMIT_S)


def read_frames(sock: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    stream = sock.makefile("rb")
    while head := stream.read(9):
        yield head[3], head[4], stream.read(int.from_bytes(head[:3], "big"))


# --- calls ---


@pytest.mark.parametrize("size", [0, 1, 3_000, 16 * 1024 + 1, 70_000, 2 * MIB])
def test_message_comes_back_byte_for_byte(serve, connect, size):
    body = os.urandom(size)
    assert call(connect(serve()), "/t/Echo", body) == body


def test_message_over_the_limit_is_resource_exhausted_and_names_both_sizes(serve, connect):
    channel = connect(serve())
    code, details = failure(channel, "/t/Echo", bytes(2 * MIB + 1))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "2097153" in details
    assert "2097152" in details
    assert call(channel, "/t/Echo", b"next") == b"next"


def test_response_over_the_limit_is_resource_exhausted_and_names_both_sizes(serve, connect):
    channel = connect(serve())
    assert len(call(channel, "/t/Grow", b"%d" % (3 * MIB))) == 3 * MIB
    code, details = failure(channel, "/t/Grow", b"%d" % (3 * MIB + 1))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "3145729" in details
    assert "3145728" in details


def test_many_concurrent_calls_on_several_connections_get_their_own_answers(serve, connect):
    port = serve(io_threads=2)
    channels = [connect(port) for _ in range(4)]
    with ThreadPoolExecutor(32) as pool:
        bodies = [b"%d" % number * (number % 50 + 1) for number in range(800)]
        answers = pool.map(lambda pair: call(channels[pair[0] % 4], "/t/Echo", pair[1]), enumerate(bodies))
        assert list(answers) == bodies


def test_two_hundred_streams_of_one_connection_are_served(serve, connect):
    channel = connect(serve())
    futures = [channel.unary_unary("/t/Echo").future(b"%d" % number, timeout=LIMIT_S) for number in range(400)]
    assert [future.result() for future in futures] == [b"%d" % number for number in range(400)]


def test_handlers_know_how_long_their_caller_waits(serve, connect, service):
    left: list[float | None] = []

    def look(metadata: Mapping[str, str], body: bytes) -> bytes:
        left.append(deadline.remaining_s())
        deadline.check()
        return body

    service.handlers["/t/Look"] = look
    channel = connect(serve())
    call(channel, "/t/Look", b"", timeout=LIMIT_S)
    call(channel, "/t/Look", b"", timeout=None)
    assert left[0] is not None
    assert 0 < left[0] <= LIMIT_S + 1  # the client rounds its timeout up
    assert left[1] is None


def test_handlers_see_that_their_caller_is_gone(serve, connect, service):
    seen = threading.Event()

    def wait(metadata: Mapping[str, str], body: bytes) -> bytes:
        service.entered.release()
        with suppress(deadline.Cancelled):
            while True:
                deadline.check()
        seen.set()
        return body

    service.handlers["/t/Wait"] = wait
    asked = connect(serve()).unary_unary("/t/Wait").future(b"", timeout=LIMIT_S)
    service.wait_entered()
    asked.cancel()
    assert seen.wait(LIMIT_S)


class EndlessScan:
    """A handler that scans for minutes, unless the scan ends with its call."""

    def __init__(self, service: Service) -> None:
        self.bits = Vectors(np.zeros((1 << 18, 64), dtype=np.uint8), 1 << 18, 512, DataType.BINARY_VECTOR)
        self.over: queue.SimpleQueue[type[deadline.CallOver]] = queue.SimpleQueue()
        self.service = service
        service.handlers["/t/Scan"] = self.scan

    def scan(self, metadata: Mapping[str, str], body: bytes) -> bytes:
        self.service.entered.release()
        try:
            kernels.scan(self.bits, self.bits, Metric.HAMMING, 1)
        except deadline.CallOver as over:
            self.over.put(type(over))
        return body


def test_a_scan_ends_when_its_caller_cancels(serve, connect, service):
    endless = EndlessScan(service)
    asked = connect(serve()).unary_unary("/t/Scan").future(b"")
    service.wait_entered()
    asked.cancel()
    assert endless.over.get(timeout=LIMIT_S) is deadline.Cancelled


def test_a_scan_ends_when_its_caller_leaves(serve, connect, service):
    endless = EndlessScan(service)
    channel = connect(serve())
    asked = channel.unary_unary("/t/Scan").future(b"")
    service.wait_entered()
    channel.close()
    assert endless.over.get(timeout=LIMIT_S) is deadline.Cancelled
    assert asked.code() is grpc.StatusCode.CANCELLED


def test_a_scan_ends_at_the_deadline_of_its_caller(serve, connect, service):
    endless = EndlessScan(service)
    assert failure(connect(serve()), "/t/Scan", b"", timeout=0.2)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert endless.over.get(timeout=LIMIT_S) is deadline.Expired


def test_metadata_is_a_mapping_without_binary_headers(serve, connect, service):
    seen: dict[str, str] = {}

    def look(metadata: Mapping[str, str], body: bytes) -> bytes:
        assert isinstance(metadata, Mapping)
        assert set(metadata) == set(metadata.keys())
        assert len(metadata) == len(metadata.items()) == len(metadata.values())
        assert metadata.get("absent") is None
        assert metadata.get("absent", "else") == "else"
        assert "blob-bin" not in metadata
        assert 7 not in metadata
        with pytest.raises(KeyError):
            metadata["absent"]
        seen.update(metadata)
        return body

    service.handlers["/t/Look"] = look
    sent = [
        ("dbname", "books"),
        ("authorization", "cm9vdDpNaWx2dXM="),
        ("blob-bin", b"\x00\xff"),
        ("two", "a"),
        ("two", "b"),
    ]
    assert call(connect(serve()), "/t/Look", b"x", metadata=sent) == b"x"
    assert seen["dbname"] == "books"
    assert seen["authorization"] == "cm9vdDpNaWx2dXM="
    assert seen["two"] == "a"
    assert seen["content-type"] == "application/grpc"


# --- failures ---


def test_abort_carries_its_code_and_message(serve, connect, service):
    def refuse(metadata: Mapping[str, str], body: bytes) -> bytes:
        raise RpcAbort(GrpcCode.UNAUTHENTICATED, "100% refused: é 中\n\udcff")

    service.handlers["/t/Refuse"] = refuse
    channel = connect(serve())
    code, details = failure(channel, "/t/Refuse", b"")
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert details.startswith("100% refused: é 中\n")
    assert failure(channel, "/t/Absent", b"") == (grpc.StatusCode.UNIMPLEMENTED, "unknown method /t/Absent")


@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit("secret")])
def test_other_exceptions_are_logged_and_answered_internal(serve, connect, service, caplog, error):
    def break_down(metadata: Mapping[str, str], body: bytes) -> bytes:
        raise error

    service.handlers["/t/Break"] = break_down
    channel = connect(serve(workers=1))
    with caplog.at_level(logging.ERROR, "elanus.server"):
        code, details = failure(channel, "/t/Break", b"")
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in details
    assert "/t/Break failed" in caplog.text
    assert "secret" in caplog.text
    assert call(channel, "/t/Echo", b"still here") == b"still here"


def test_dispatch_that_returns_no_bytes_is_answered_internal(serve, connect, service):
    service.handlers["/t/Text"] = lambda metadata, body: "text"  # type: ignore[assignment, return-value]
    assert failure(connect(serve()), "/t/Text", b"")[0] is grpc.StatusCode.INTERNAL


def test_ok_is_not_a_reason_to_abort():
    with pytest.raises(ValueError, match="OK does not end a call"):
        RpcAbort(GrpcCode.OK, "fine")


# --- compression ---


def test_gzip_request_is_unpacked(serve, connect):
    channel = connect(serve(), compression=grpc.Compression.Gzip)
    assert call(channel, "/t/Size", bytes(MIB)) == b"1048576"


def test_gzip_request_that_grows_past_the_limit_is_resource_exhausted(serve, connect):
    channel = connect(serve(), compression=grpc.Compression.Gzip)
    assert failure(channel, "/t/Size", bytes(2 * MIB + 1))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_other_compression_is_unimplemented(serve, connect):
    channel = connect(serve(), compression=grpc.Compression.Deflate)
    code, details = failure(channel, "/t/Size", bytes(5000))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert "deflate" in details
    assert "gzip" in details


# --- deadlines, cancellation, queues ---


def test_call_past_its_deadline_ends_and_never_reaches_the_handler_when_queued(serve, connect, service):
    port = serve(workers=1)
    channel = connect(port)
    held = channel.unary_unary("/t/Hold").future(b"held", timeout=LIMIT_S)
    service.wait_entered()
    late: list[bytes] = []
    service.handlers["/t/Late"] = lambda metadata, body: late.append(body) or body  # type: ignore[func-returns-value]
    assert failure(channel, "/t/Late", b"late", timeout=0.05)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    service.release.set()
    assert held.result() == b"held"
    assert call(channel, "/t/Echo", b"after") == b"after"
    assert late == []


def test_slow_calls_do_not_keep_fast_ones_waiting_and_get_threads_as_needed(serve, connect, service):
    port = serve(workers=1, slow_workers=3)
    channel = connect(port)
    slow = [channel.unary_unary("/t/SlowHold").future(b"%d" % number, timeout=LIMIT_S) for number in range(3)]
    service.wait_entered(3)
    assert call(channel, "/t/Echo", b"fast") == b"fast"
    service.release.set()
    assert [future.result() for future in slow] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("workers", [1, 4])
def test_calls_that_wait_for_others_do_not_keep_calls_waiting(serve, connect, service, workers):
    channel = connect(serve(workers=workers))
    waits = [channel.unary_unary("/t/Wait").future(b"%d" % number, timeout=LIMIT_S) for number in range(6)]
    service.wait_entered(6)
    assert call(channel, "/t/Echo", b"meanwhile") == b"meanwhile"
    service.release.set()
    assert [wait.result() for wait in waits] == [b"%d" % number for number in range(6)]


def test_threads_that_stood_in_for_waiting_ones_go_when_they_are_too_many(serve, connect, service):
    port = serve(workers=2)
    channel, crew = connect(port), port._crews[0]
    for _ in range(3):
        service.release.clear()
        waits = [channel.unary_unary("/t/Wait").future(b"", timeout=LIMIT_S) for _ in range(5)]
        service.wait_entered(5)
        assert len(crew.threads) <= 2 + 5
        service.release.set()
        for wait in waits:
            wait.result()
        for _ in range(20):  # each thread that is too many takes one call more at most
            call(channel, "/t/Echo", b"")
    assert crew.waiting == 0
    assert len(crew.threads) == 2


def test_no_more_than_some_threads_are_replaced_while_they_wait(serve, connect, service):
    port = serve(workers=1)
    channel = connect(port)
    count = 1 + MOST_SUBSTITUTES
    waits = [channel.unary_unary("/t/Wait").future(b"", timeout=LIMIT_S) for _ in range(count + 5)]
    service.wait_entered(count)
    assert not service.entered.acquire(blocking=False)
    assert len(port._crews[0].threads) == count
    service.release.set()
    for wait in waits:
        wait.result()
    assert call(channel, "/t/Echo", b"after") == b"after"


def test_full_queue_is_resource_exhausted(serve, connect, service):
    channel = connect(serve(workers=1, queue=1))
    hold = channel.unary_unary("/t/Hold")
    running = hold.future(b"running", timeout=LIMIT_S)
    service.wait_entered()
    others = [hold.future(b"other", timeout=LIMIT_S) for _ in range(3)]
    refused = [future for future in grpc_done(others, count=2) if future.exception() is not None]
    assert len(refused) == 2
    for future in refused:
        assert future.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "too many concurrent requests" in future.details()
    service.release.set()
    assert running.result() == b"running"
    assert sorted(future.exception() is None for future in others) == [False, False, True]


def grpc_done(futures: list[grpc.Future], count: int) -> list[grpc.Future]:
    """Wait until `count` of the futures are done and return those that are."""
    done = threading.Semaphore(0)
    for future in futures:
        future.add_done_callback(lambda _: done.release())
    for _ in range(count):
        assert done.acquire(timeout=LIMIT_S)
    return [future for future in futures if future.done()]


# --- connections ---


def test_pings_without_calls_are_all_answered(serve):
    with raw(serve()) as sock:
        sock.sendall(PREFACE + http2_frame(SETTINGS) + b"".join(http2_frame(PING, b"%8d" % n) for n in range(200)))
        answered = 0
        for kind, flags, payload in read_frames(sock):
            assert kind != GOAWAY, payload
            if kind == PING and flags & 1:
                assert payload == b"%8d" % answered
                answered += 1
                if answered == 200:
                    break


def test_client_with_keepalive_and_no_calls_stays_connected(serve, connect):
    port = serve()
    channel = connect(
        port,
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    )
    grpc.channel_ready_future(channel).result(LIMIT_S)
    assert call(channel, "/t/Echo", b"x") == b"x"
    assert port.num_connections() == 1


def test_unix_socket_serves_and_its_file_goes_away(serve, connect, tmp_path):
    path = tmp_path / "s"
    port = serve(uds=path)
    assert path.stat().st_mode & 0o777 == 0o600
    channel = connect(port)
    for number in range(100):  # the header table of the connection fills and turns over
        assert call(channel, "/t/Echo", b"%d" % number, metadata=[("id", f"{number}" * 30)]) == b"%d" % number
    assert len(call(channel, "/t/Grow", b"%d" % MIB)) == MIB
    assert call(channel, "/t/Size", bytes(MIB)) == b"%d" % MIB
    port.close()
    assert not path.exists()


def test_socket_file_of_a_dead_server_is_replaced_and_of_a_live_one_is_not(serve, connect, tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    port = serve(uds=path)
    with pytest.raises(OSError, match="another server listens there"):
        serve(uds=path)
    assert call(connect(port), "/t/Echo", b"first") == b"first"


def test_addresses_that_cannot_be_bound_are_errors(serve, tmp_path):
    taken = serve().address.port
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{taken}"):
        serve(port=taken)
    with pytest.raises(ValueError):
        serve(uds=tmp_path / ("x" * 120))
    file = tmp_path / "file"
    file.write_text("keep")
    with pytest.raises(OSError):
        serve(uds=file)
    assert file.read_text() == "keep"


def test_http1_request_gets_a_clear_answer(serve):
    with raw(serve()) as sock:
        sock.sendall(b"POST /v2/vectordb/collections/list HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}")
        answer = sock.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 501 ")
    assert b"gRPC" in answer


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 64,
    b"PRI * HTTP/1.1\r\n\r\n",
    PREFACE + b"\xff" * 4096,
    PREFACE + http2_frame(SETTINGS, b"\x00"),
    PREFACE + http2_frame(SETTINGS) + http2_frame(1, b"\xff\xff\xff\xff\xff", 4, 1),
    PREFACE + http2_frame(SETTINGS) + http2_frame(0, b"data for no stream", 0, 3),
    PREFACE,
    b"",
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_ends_its_own_connection_only(serve, connect, garbage):
    port = serve()
    channel = connect(port)
    assert call(channel, "/t/Echo", b"before") == b"before"
    with raw(port) as sock:
        sock.sendall(garbage)
        with suppress(OSError):  # the server may have closed by now
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
    assert call(channel, "/t/Echo", b"after") == b"after"
    assert call(connect(port), "/t/Echo", b"new") == b"new"


# --- the end ---


def test_drain_lets_calls_in_flight_finish_and_refuses_new_connections(serve, connect, service):
    others = set(threading.enumerate())
    port = serve()
    channel, target = connect(port), port.address
    held = [channel.unary_unary(method).future(b"held", timeout=LIMIT_S) for method in ("/t/Hold", "/t/SlowHold")]
    service.wait_entered(2)
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(port.drain, LIMIT_S)
        while True:
            try:
                socket.create_connection((target.host, target.port), timeout=LIMIT_S).close()
            except (ConnectionRefusedError, ConnectionResetError):
                break
        assert not drained.done()
        service.release.set()
        assert [future.result() for future in held] == [b"held", b"held"]
        assert drained.result(LIMIT_S)
    left = set(threading.enumerate()) - others
    assert [thread.name for thread in left if thread.name.startswith("elanus-")] == []


def test_drain_cuts_off_calls_that_outlast_it(serve, connect, service, caplog):
    port = serve()
    held = connect(port).unary_unary("/t/Hold").future(b"held", timeout=LIMIT_S)
    service.wait_entered()
    with caplog.at_level(logging.WARNING, "elanus.server"):
        assert not port.drain(0.0)
    assert "cut off" in caplog.text
    assert held.exception(LIMIT_S).code() is grpc.StatusCode.UNAVAILABLE


def test_close_is_repeatable_and_ends_everything(serve, connect):
    port = serve()
    channel = connect(port)
    assert call(channel, "/t/Echo", b"x") == b"x"
    port.close()
    port.close()
    assert port.drain(0.0)
    assert port.num_connections() == 0
    assert failure(channel, "/t/Echo", b"x")[0] is grpc.StatusCode.UNAVAILABLE


def test_port_is_started_once(serve):
    port = serve()
    with pytest.raises(RuntimeError, match="started before"):
        port.start()
    with pytest.raises(RuntimeError, match="not been started"):
        Port(Service(), SETTINGS_FOR_TESTS).num_connections()


def test_unused_once_the_last_client_has_gone(serve, connect):
    port = serve()
    first, second = connect(port), connect(port)
    assert call(first, "/t/Echo", b"x") == call(second, "/t/Echo", b"x")
    assert port.num_connections() == 2
    with ThreadPoolExecutor(1) as pool:
        unused = pool.submit(port.wait_until_unused, 0.0)
        first.close()
        assert call(second, "/t/Echo", b"x") == b"x"
        assert not unused.done()
        second.close()
        assert unused.result(LIMIT_S)


def test_unused_when_no_client_comes_and_not_when_closed(serve):
    port = serve()
    with raw(port) as silent:
        assert silent.fileno() > 0
        assert port.wait_until_unused(0.0, first_timeout_s=0.0)
    with ThreadPoolExecutor(1) as pool:
        unused = pool.submit(port.wait_until_unused, 3600.0)
        port.close()
        assert unused.result(LIMIT_S) is False
