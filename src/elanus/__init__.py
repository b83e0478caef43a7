"""Elanus, a vector database that speaks the Milvus protocol.

    from elanus import MilvusClient

    client = MilvusClient("./demo.db")                  # embedded: a database in a folder
    client = MilvusClient("http://localhost:19530")     # or a server, started with `elanus serve`

The names below are loaded when they are first used; importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elanus.embedded.clients import AsyncMilvusClient, MilvusClient
    from elanus.main import serve

__all__ = ["AsyncMilvusClient", "MilvusClient", "__version__", "serve"]

__version__ = "0.1.0"

_HOMES = {
    "AsyncMilvusClient": "elanus.embedded.clients",
    "MilvusClient": "elanus.embedded.clients",
    "serve": "elanus.main",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return __all__
