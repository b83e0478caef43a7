"""Write ``milvus.desc``: the wire protocol's messages as one FileDescriptorSet, taken from an installed pymilvus.

Run it with the development environment after raising the pymilvus version, and review what changed:
``python tools/make_descriptors.py``. The server itself needs only the file.
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor
from pymilvus.grpc_gen import milvus_pb2

TARGET = Path(__file__).parent.parent / "src" / "elanus" / "server" / "grpc" / "milvus.desc"


def collect(file: FileDescriptor, found: dict[str, FileDescriptor]) -> None:
    """Add a file after everything that it imports."""
    for imported in file.dependencies:
        collect(imported, found)
    found.setdefault(file.name, file)


def main() -> None:
    """Write the file."""
    files: dict[str, FileDescriptor] = {}
    collect(milvus_pb2.DESCRIPTOR, files)
    protos = descriptor_pb2.FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(protos.file.add())
    TARGET.write_bytes(protos.SerializeToString(deterministic=True))
    print(f"{TARGET}: {len(files)} files, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
