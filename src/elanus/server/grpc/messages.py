"""The wire protocol's messages, as attributes of this module: ``messages.HasPartitionRequest(...)``.

They come from ``milvus.desc`` (made by ``tools/make_descriptors.py``) and live in a descriptor pool of their own, so
neither pymilvus nor grpcio is needed, and pymilvus can be imported beside them.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Where a name is declared in several packages, the first one listed has it.
PACKAGES = (
    "milvus.proto.milvus",
    "milvus.proto.schema",
    "milvus.proto.common",
    "milvus.proto.rg",
    "milvus.proto.feder",
    "milvus.proto.msg",
)
SERVICE = "milvus.proto.milvus.MilvusService"

Message = Any


def _load() -> descriptor_pool.DescriptorPool:
    protos = descriptor_pb2.FileDescriptorSet.FromString(files(__package__).joinpath("milvus.desc").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in protos.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _load()


def _find(name: str) -> Any:
    for package in PACKAGES:
        try:
            return _POOL.FindMessageTypeByName(f"{package}.{name}")
        except KeyError:
            continue
    raise AttributeError(f"the wire protocol has no message {name!r}")


def __getattr__(name: str) -> Any:
    """Return the message class of that name, made on first use."""
    if name.startswith("__"):
        raise AttributeError(name)
    made = message_factory.GetMessageClass(_find(name))
    globals()[name] = made
    return made


def method_names() -> frozenset[str]:
    """Return the names of every method that the service declares."""
    return frozenset(_POOL.FindServiceByName(SERVICE).methods_by_name)
