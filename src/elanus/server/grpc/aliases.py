"""Aliases: create, drop, alter, describe, list."""

from __future__ import annotations

from typing import Any

from elanus.engine import aliases
from elanus.engine.base import CollectionName
from elanus.server.grpc import messages as pb
from elanus.server.grpc.rpc import Call, rpc


def _alias(request: Any, call: Call) -> CollectionName:
    return CollectionName(call.database(request.db_name), request.alias)


@rpc("CreateAlias", pb.CreateAliasRequest, pb.Status)
def create_alias(request: Any, call: Call) -> Any:
    """Give a collection an alias."""
    call.run(aliases.CreateAlias(_alias(request, call), request.collection_name))
    return pb.Status()


@rpc("DropAlias", pb.DropAliasRequest, pb.Status)
def drop_alias(request: Any, call: Call) -> Any:
    """Remove an alias."""
    call.run(aliases.DropAlias(_alias(request, call)))
    return pb.Status()


@rpc("AlterAlias", pb.AlterAliasRequest, pb.Status)
def alter_alias(request: Any, call: Call) -> Any:
    """Point an alias at another collection."""
    call.run(aliases.AlterAlias(_alias(request, call), request.collection_name))
    return pb.Status()


@rpc("DescribeAlias", pb.DescribeAliasRequest, pb.DescribeAliasResponse)
def describe_alias(request: Any, call: Call) -> Any:
    """Return the collection that an alias names."""
    alias = _alias(request, call)
    collection = call.run(aliases.DescribeAlias(alias))
    return pb.DescribeAliasResponse(db_name=alias.database, alias=alias.name, collection=collection)


@rpc("ListAliases", pb.ListAliasesRequest, pb.ListAliasesResponse)
def list_aliases(request: Any, call: Call) -> Any:
    """List the aliases of a collection, or of the database."""
    collection = call.collection(request)
    found = call.run(aliases.ListAliases(collection))
    return pb.ListAliasesResponse(db_name=collection.database, collection_name=collection.name, aliases=found)
