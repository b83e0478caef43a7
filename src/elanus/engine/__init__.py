"""Every operation as a command and its handler, a module a family. Importing this package registers all handlers."""

from elanus.engine import (
    aliases,
    collections,
    data,
    databases,
    explain,
    hybrid,
    indexes,
    partitions,
    schemas,
    search,
    system,
)
from elanus.engine.base import HANDLERS, CollectionName, Command, Engine
from elanus.engine.instance import Instance
from elanus.engine.local import LocalEngine

FAMILIES = (aliases, collections, data, databases, explain, hybrid, indexes, partitions, schemas, search, system)

__all__ = ["FAMILIES", "HANDLERS", "CollectionName", "Command", "Engine", "Instance", "LocalEngine"]
