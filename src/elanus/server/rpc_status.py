"""gRPC status codes, and the exception that ends a call with one.

Errors of the database ride inside the response message; only what concerns the call itself (who may call, what exists,
how large it is) is a gRPC status.
"""

from enum import IntEnum

__all__ = ["GrpcCode", "RpcAbort"]


class GrpcCode(IntEnum):
    """The status codes of the gRPC protocol."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcAbort(Exception):  # noqa: N818  (it ends a call, which need not be an error of the server)
    """End the call with a gRPC status instead of a message.

    code     any code but OK
    message  shown to the user; any text
    raises   ValueError for OK, which has no failure to report
    """

    def __init__(self, code: GrpcCode, message: str) -> None:
        if code is GrpcCode.OK:
            raise ValueError("OK does not end a call, return the response instead")
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"
