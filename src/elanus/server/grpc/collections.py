"""Collections: create, drop, find, describe, list, count, rename, truncate."""

from __future__ import annotations

from typing import Any

from elanus.engine import collections
from elanus.engine.base import CollectionName
from elanus.model.errors import ElanusError, InvalidParameter, MissingParameter
from elanus.model.ids import CollectionId
from elanus.model.schema import Pairs
from elanus.model.time import physical_ms
from elanus.server.grpc import messages as pb
from elanus.server.grpc import status
from elanus.server.grpc.channels import physical_channels, virtual_channels
from elanus.server.grpc.consistency import parse_level
from elanus.server.grpc.pairs import pairs_from, pairs_to
from elanus.server.grpc.rpc import Call, rpc
from elanus.server.grpc.schemas import parse_schema, schema_to

IN_MEMORY = 1


@rpc("CreateCollection", pb.CreateCollectionRequest, pb.Status)
def create_collection(request: Any, call: Call) -> Any:
    """Create a collection."""
    message, schema = parse_schema(request.schema)
    if message.name != request.collection_name:
        raise InvalidParameter(
            f"collection name {request.collection_name} differs from the name in its schema, {message.name}"
        )
    command = collections.CreateCollection(
        call.collection(request),
        schema,
        shards=request.shards_num,
        consistency=parse_level(request.consistency_level),
        properties=_properties(request, message),
        num_partitions=request.num_partitions,
    )
    call.run(command)
    return pb.Status()


def _properties(request: Any, schema: Any) -> Pairs:
    """Return the properties of a request, with those that only its schema carries."""
    own = pairs_from(request.properties)
    named = {key for key, _ in own}
    return (*own, *(pair for pair in pairs_from(schema.properties) if pair[0] not in named))


@rpc("DropCollection", pb.DropCollectionRequest, pb.Status)
def drop_collection(request: Any, call: Call) -> Any:
    """Drop a collection."""
    call.run(collections.DropCollection(call.collection(request)))
    return pb.Status()


@rpc("HasCollection", pb.HasCollectionRequest, pb.BoolResponse)
def has_collection(request: Any, call: Call) -> Any:
    """Say whether a collection exists."""
    return pb.BoolResponse(value=call.run(collections.HasCollection(call.collection(request))))


@rpc("DescribeCollection", pb.DescribeCollectionRequest, pb.DescribeCollectionResponse)
def describe_collection(request: Any, call: Call) -> Any:
    """Describe a collection."""
    return _describe(call.collection(request), request.collectionID, call)


def _describe(collection: CollectionName, collection_id: int, call: Call) -> Any:
    described = call.run(collections.DescribeCollection(collection, CollectionId(collection_id)))
    manifest = described.manifest
    return pb.DescribeCollectionResponse(
        schema=schema_to(described.name, manifest.schema, manifest.timezone),
        collectionID=manifest.id,
        collection_name=collection.name or described.name,
        db_name=described.database,
        db_id=described.database_id,
        aliases=described.aliases,
        consistency_level=int(manifest.consistency),
        shards_num=manifest.shards,
        num_partitions=len(manifest.partitions),
        virtual_channel_names=virtual_channels(manifest),
        physical_channel_names=physical_channels(manifest),
        created_timestamp=manifest.created_at,
        created_utc_timestamp=physical_ms(manifest.created_at),
        update_timestamp=manifest.updated_at,
        update_timestamp_str=str(manifest.updated_at),
        properties=pairs_to(manifest.properties),
    )


@rpc("BatchDescribeCollection", pb.BatchDescribeCollectionRequest, pb.BatchDescribeCollectionResponse)
def batch_describe_collection(request: Any, call: Call) -> Any:
    """Describe several collections; each answer has a status of its own."""
    if not request.collection_name:
        raise MissingParameter("collection names cannot be empty")
    database = call.database(request.db_name)
    responses = [_describe_one(CollectionName(database, name), call) for name in request.collection_name]
    return pb.BatchDescribeCollectionResponse(responses=responses)


def _describe_one(collection: CollectionName, call: Call) -> Any:
    try:
        return _describe(collection, 0, call)
    except ElanusError as error:
        return status.fail(pb.DescribeCollectionResponse(), error)


@rpc("ShowCollections", pb.ShowCollectionsRequest, pb.ShowCollectionsResponse)
def show_collections(request: Any, call: Call) -> Any:
    """List collections, all or only the loaded ones."""
    loaded_only = request.type == IN_MEMORY
    database = call.database(request.db_name)
    found = call.run(collections.ListCollections(database, loaded_only, tuple(request.collection_names)))
    return pb.ShowCollectionsResponse(
        collection_names=[each.name for each in found],
        collection_ids=[each.id for each in found],
        created_timestamps=[each.created_at for each in found],
        created_utc_timestamps=[physical_ms(each.created_at) for each in found],
        shards_num=[each.shards for each in found],
        inMemory_percentages=[100] * len(found) if loaded_only else [],
        query_service_available=[True] * len(found) if loaded_only else [],
    )


@rpc("GetCollectionStatistics", pb.GetCollectionStatisticsRequest, pb.GetCollectionStatisticsResponse)
def get_collection_statistics(request: Any, call: Call) -> Any:
    """Count the stored rows."""
    rows = call.run(collections.CollectionStatistics(call.collection(request)))
    return pb.GetCollectionStatisticsResponse(stats=[pb.KeyValuePair(key="row_count", value=str(rows))])


@rpc("RenameCollection", pb.RenameCollectionRequest, pb.Status)
def rename_collection(request: Any, call: Call) -> Any:
    """Give a collection another name."""
    database = call.database(request.db_name)
    new = CollectionName(request.newDBName or database, request.newName)
    call.run(collections.RenameCollection(CollectionName(database, request.oldName), new))
    return pb.Status()


@rpc("TruncateCollection", pb.TruncateCollectionRequest, pb.TruncateCollectionResponse)
def truncate_collection(request: Any, call: Call) -> Any:
    """Remove every row."""
    call.run(collections.TruncateCollection(call.collection(request)))
    return pb.TruncateCollectionResponse()
