"""Errors as the wire's ``Status``, and where each reply keeps it."""

from __future__ import annotations

from elanus.model.errors import ElanusError
from elanus.server.grpc import messages as pb

STATUS_FIELDS = ("status", "alter_status")


def fill(status: pb.Message, error: ElanusError) -> None:
    """Write an error into a ``Status`` message."""
    status.code = error.code
    status.error_code = error.legacy
    status.reason = status.detail = error.reason
    status.retriable = error.retriable and not error.is_input
    if error.is_input:
        status.extra_info["is_input_error"] = "true"


def status_of(reply: pb.Message) -> pb.Message | None:
    """Return the ``Status`` of a reply: itself, a field of it, or None when its kind has none."""
    if reply.DESCRIPTOR.name == "Status":
        return reply
    name = next((name for name in STATUS_FIELDS if name in reply.DESCRIPTOR.fields_by_name), None)
    return None if name is None else getattr(reply, name)


def succeed(reply: pb.Message) -> pb.Message:
    """Make the status present: some clients read it without asking whether it was sent."""
    status = status_of(reply)
    if status is not None and status is not reply:
        status.SetInParent()
    return reply


def fail(reply: pb.Message, error: ElanusError) -> pb.Message:
    """Write an error into a reply.

    A write's reply also gets ``report_value``: clients read that key wherever ``extra_info`` holds any.
    """
    status = status_of(reply)
    if status is None:
        raise error
    fill(status, error)
    if reply.DESCRIPTOR.name == "MutationResult" and status.extra_info:
        status.extra_info["report_value"] = "0"
    return reply
