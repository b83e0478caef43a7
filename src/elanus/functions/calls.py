"""Calls to services over HTTP: JSON out, JSON back, tried again where that may help."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

import orjson

from elanus.model import deadline
from elanus.model.errors import FunctionFailed, InvalidParameter, ServiceUnavailable
from elanus.model.waiting import waiting

if TYPE_CHECKING:
    from email.message import Message

TRIES: Final = 3
TOO_MANY_REQUESTS: Final = 429
SERVER_ERROR: Final = 500
MAX_REPLY: Final = 64 * 2**20
"""A longer reply is refused."""
QUOTED: Final = 1024
"""Characters of a refusal that are passed on."""
_PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service is and how patiently it is called.

    key        sent as a bearer token, empty for none; no message holds it
    timeout_s  for one call, all its tries together
    retry_s    wait before the second try; twice that before the third, each up to a quarter longer
    """

    url: str
    key: str
    timeout_s: float
    retry_s: float

    def __repr__(self) -> str:
        return f"Service({self.url})"

    def post(self, body: Mapping[str, Any]) -> Any:
        """Return what the service answers, from JSON.

        raises  ServiceUnavailable when it can't be reached or says that it can't now, after the last try;
                FunctionFailed for any other refusal and for what is no JSON; Expired, Cancelled when nobody waits
        """
        ends = time.monotonic() + self.timeout_s
        left = deadline.remaining_s()
        if left is not None:
            ends = min(ends, time.monotonic() + left)
        data = orjson.dumps(body)
        with waiting():
            reply = self._tried(data, ends)
        return _decoded(reply)

    def _tried(self, data: bytes, ends: float) -> bytes:
        """Return the body of the first reply with status 200; see ``post``."""
        for attempt in range(TRIES):
            deadline.check()
            try:
                return self._once(data, ends)
            except _TryAgain as failure:
                pause = max(self.retry_s * 2**attempt * (1 + random.random() / 4), failure.after_s)
                if attempt == TRIES - 1 or time.monotonic() + pause >= ends:
                    raise ServiceUnavailable(failure.message) from None
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _once(self, data: bytes, ends: float) -> bytes:
        """Return the body of a reply with status 200; raises _TryAgain or FunctionFailed."""
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = Request(self.url, data, headers, method="POST")
        try:
            with _opener().open(request, timeout=max(0.001, ends - time.monotonic())) as reply:
                return _read(reply, ends)
        except HTTPError as refusal:
            with refusal:
                self._refuse(refusal.code, refusal.reason, _quoted(refusal), refusal.headers)
        except (OSError, HTTPException) as error:
            raise _TryAgain(f"call service failed, errs:[{self._clean(str(error) or type(error).__name__)}]") from None

    def _refuse(self, status: int, reason: str, body: bytes, headers: Message) -> NoReturn:
        quoted = self._clean(body.decode(errors="replace"))
        message = f"call service failed, errs:[{status} {reason}, {quoted}]"
        if status == TOO_MANY_REQUESTS or status >= SERVER_ERROR:
            wait = headers.get("Retry-After", "")
            raise _TryAgain(message, float(wait) if wait.isdecimal() else 0.0)
        raise FunctionFailed(message)

    def _clean(self, text: str) -> str:
        """Return a text without the key."""
        return text.replace(self.key, "***") if self.key else text


class _TryAgain(Exception):  # noqa: N818
    """A failure that may pass; ``after_s`` is what the service asked for."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.message = message
        self.after_s = after_s


def check_link(name: str, link: str, hosts: str = "") -> None:
    """Raise InvalidParameter unless a link leads to a host over HTTP, one of ``hosts`` if there are any.

    hosts  separated by commas
    """
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise InvalidParameter(f"{name}: [{link}] is not a valid http/https link")
    allowed = [each.strip().lower() for each in hosts.split(",") if each.strip()]
    if allowed and host.lower() not in allowed:
        raise InvalidParameter(f"{name}: [{link}] leads to a host that is not among functions.hosts")


def _opener() -> Any:
    """Return what opens links: as Python's own, but a redirection is a refusal, for it may lead anywhere."""
    from urllib.request import HTTPRedirectHandler, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return build_opener(Stay)


def _read(reply: Any, ends: float) -> bytes:
    """Return a reply's body; one that trickles in is given up when time is over."""
    pieces, size = [], 0
    while piece := reply.read1(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_REPLY:
            raise FunctionFailed(f"call service failed, the reply is longer than {MAX_REPLY} bytes")
        if time.monotonic() >= ends:
            raise TimeoutError("timed out")
    return b"".join(pieces)


def _quoted(refusal: Any) -> bytes:
    """Return the beginning of what a refusal says, as far as it comes."""
    from http.client import HTTPException

    try:
        return bytes(refusal.read(QUOTED))
    except (OSError, HTTPException):
        return b""


def _decoded(reply: bytes) -> Any:
    try:
        return orjson.loads(reply)
    except orjson.JSONDecodeError as error:
        raise FunctionFailed(f"call service failed, unmarshal response failed, errs:[{error}]") from None
