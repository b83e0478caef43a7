"""The native server without the worker threads of the port: each call is taken and answered by the test."""

import threading
from collections.abc import Iterator

import grpc
import pytest

from elanus._native.core import CallLimit, WireCall, WireServer
from elanus.model import deadline

LIMIT_S = 20.0


@pytest.fixture
def server() -> Iterator[WireServer]:
    server = WireServer(
        host="127.0.0.1",
        port=0,
        uds=None,
        slow_methods=["/t/Slow"],
        io_threads=1,
        max_waiting=8,
        max_request_bytes=1000,
        max_response_bytes=1000,
    )
    yield server
    server.close()


@pytest.fixture
def channel(server: WireServer) -> Iterator[grpc.Channel]:
    host, port = server.tcp_address
    with grpc.insecure_channel(f"{host}:{port}", options=[("grpc.enable_retries", 0)]) as channel:
        yield channel


def send(
    channel: grpc.Channel, method: str = "/t/Fast", body: bytes = b"body", timeout: float = LIMIT_S
) -> grpc.Future:
    return channel.unary_unary(method).future(body, timeout=timeout)


def wait_until_cancelled(call: WireCall | CallLimit) -> None:
    """The reset of the stream arrives on its own time."""
    waited = threading.Event()
    for _ in range(int(LIMIT_S / 0.01)):
        if call.cancelled:
            return
        waited.wait(0.01)
    raise AssertionError("the call was never marked as cancelled")


def test_call_shows_what_was_sent(server, channel):
    future = send(channel, body=b"hello")
    call = server.next_request(WireServer.FAST_LANE)
    assert (call.protocol, call.method, call.body, call.body) == ("grpc", "/t/Fast", b"hello", b"hello")
    assert call.peer.startswith("127.0.0.1:")
    assert 0 < call.remaining_s <= LIMIT_S + 1  # the client rounds its timeout up
    assert not call.cancelled
    call.respond(b"bye")
    assert future.result() == b"bye"


def test_call_without_a_deadline_has_none(server, channel):
    future = channel.unary_unary("/t/Fast").future(b"")
    call = server.next_request(WireServer.FAST_LANE)
    assert call.remaining_s is None
    call.respond(b"")
    assert future.result() == b""


def test_call_whose_deadline_has_passed_is_not_handed_out(server, channel):
    late = channel.unary_unary("/t/Fast").future(b"late", metadata=[("grpc-timeout", "0n")])
    while late.running() and not server.num_waiting(WireServer.FAST_LANE):
        pass  # until it waits, or has missed its deadline before
    in_time = send(channel, body=b"in time")
    call = server.next_request(WireServer.FAST_LANE)
    assert call.body == b"in time"
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    call.respond(b"")
    assert in_time.result() == b""


def test_limit_of_a_call_sees_that_its_client_is_gone(server, channel):
    future = send(channel)
    call = server.next_request(WireServer.FAST_LANE)
    limit = call.limit
    assert not limit.cancelled
    assert 0 < limit.remaining_s <= LIMIT_S + 1
    limit.check()
    future.cancel()
    wait_until_cancelled(limit)
    with pytest.raises(deadline.Cancelled):
        limit.check()


def test_named_methods_take_the_slow_lane(server, channel):
    slow, fast = send(channel, "/t/Slow"), send(channel)
    for lane, future in [(WireServer.FAST_LANE, fast), (WireServer.SLOW_LANE, slow)]:
        server.next_request(lane).respond(b"%d" % lane)
        assert future.result() == b"%d" % lane


def test_call_is_answered_exactly_once(server, channel):
    future = send(channel)
    call = server.next_request(WireServer.FAST_LANE)
    with pytest.raises(ValueError, match="0 is not a gRPC failure code"):
        call.fail(0, "fine")
    call.fail(5, "nowhere")
    with pytest.raises(RuntimeError, match="has its answer already"):
        call.respond(b"late")
    assert (future.code(), future.details()) == (grpc.StatusCode.NOT_FOUND, "nowhere")


def test_dropped_call_is_answered_internal(server, channel):
    future = send(channel)
    server.next_request(WireServer.FAST_LANE)
    assert future.code() is grpc.StatusCode.INTERNAL


def test_cancelled_call_is_marked_while_it_runs_and_withdrawn_while_it_waits(server, channel):
    running = send(channel, body=b"running")
    call = server.next_request(WireServer.FAST_LANE)
    waiting, last = send(channel, body=b"waiting"), send(channel, body=b"last")
    running.cancel()
    waiting.cancel()
    wait_until_cancelled(call)
    call.respond(b"nobody listens")
    rest = server.next_request(WireServer.FAST_LANE)
    if rest.body == b"waiting":  # taken before its reset arrived
        wait_until_cancelled(rest)
        rest = server.next_request(WireServer.FAST_LANE)
    assert rest.body == b"last"
    rest.respond(b"done")
    assert last.result() == b"done"
    assert server.num_waiting(WireServer.FAST_LANE) == 0


def test_deadline_of_a_running_call_marks_it(server, channel):
    future = send(channel, timeout=0.05)
    call = server.next_request(WireServer.FAST_LANE)
    assert future.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until_cancelled(call)
    assert call.remaining_s == 0.0


def test_call_of_a_client_that_left_is_marked(server, channel):
    future = send(channel)
    call = server.next_request(WireServer.FAST_LANE)
    channel.close()
    wait_until_cancelled(call)
    assert future.done()
    assert server.wait_until_unused(0.0)


def test_close_releases_every_waiting_worker(server):
    answers: list[WireCall | None] = []
    workers = [
        threading.Thread(target=lambda lane=lane: answers.append(server.next_request(lane))) for lane in (0, 0, 1, 1)
    ]
    for worker in workers:
        worker.start()
    assert server.drain(0.0)
    for worker in workers:
        worker.join(LIMIT_S)
    assert answers == [None] * 4


def test_arguments_are_checked(server):
    with pytest.raises(ValueError, match="neither FAST_LANE nor SLOW_LANE"):
        server.next_request(2)
    with pytest.raises(ValueError):
        server.drain(-1.0)
    with pytest.raises(ValueError, match="needs a host, a Unix socket path, or both"):
        WireServer(
            host=None,
            port=0,
            uds=None,
            slow_methods=[],
            io_threads=1,
            max_waiting=1,
            max_request_bytes=1,
            max_response_bytes=1,
        )
