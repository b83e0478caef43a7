"""Databases: create, drop, list, describe, alter."""

from __future__ import annotations

from typing import Any

from elanus.engine import databases
from elanus.server.grpc import messages as pb
from elanus.server.grpc.pairs import pairs_from, pairs_to
from elanus.server.grpc.rpc import Call, rpc


@rpc("CreateDatabase", pb.CreateDatabaseRequest, pb.Status)
def create_database(request: Any, call: Call) -> Any:
    """Create a database."""
    call.run(databases.CreateDatabase(request.db_name, pairs_from(request.properties)))
    return pb.Status()


@rpc("DropDatabase", pb.DropDatabaseRequest, pb.Status)
def drop_database(request: Any, call: Call) -> Any:
    """Drop an empty database."""
    call.run(databases.DropDatabase(request.db_name))
    return pb.Status()


@rpc("ListDatabases", pb.ListDatabasesRequest, pb.ListDatabasesResponse)
def list_databases(_request: Any, call: Call) -> Any:
    """List all databases."""
    found = call.run(databases.ListDatabases())
    return pb.ListDatabasesResponse(
        db_names=[info.name for info in found],
        created_timestamp=[info.created_at for info in found],
        db_ids=[info.id for info in found],
    )


@rpc("DescribeDatabase", pb.DescribeDatabaseRequest, pb.DescribeDatabaseResponse)
def describe_database(request: Any, call: Call) -> Any:
    """Describe one database."""
    info = call.run(databases.DescribeDatabase(call.database(request.db_name)))
    return pb.DescribeDatabaseResponse(
        db_name=info.name,
        dbID=info.id,
        created_timestamp=info.created_at,
        properties=pairs_to(info.properties),
    )


@rpc("AlterDatabase", pb.AlterDatabaseRequest, pb.Status)
def alter_database(request: Any, call: Call) -> Any:
    """Set or delete properties."""
    properties = pairs_from(request.properties)
    call.run(databases.AlterDatabase(call.database(request.db_name), properties, tuple(request.delete_keys)))
    return pb.Status()
