"""Partitions: create, drop, find, list, count, load, release."""

from __future__ import annotations

from typing import Any

from elanus.engine import partitions
from elanus.engine.base import CollectionName
from elanus.engine.collections import DescribeCollection
from elanus.model.ids import CollectionId
from elanus.model.time import physical_ms
from elanus.server.grpc import messages as pb
from elanus.server.grpc.rpc import Call, rpc

IN_MEMORY = 1


@rpc("CreatePartition", pb.CreatePartitionRequest, pb.Status)
def create_partition(request: Any, call: Call) -> Any:
    """Create a partition."""
    call.run(partitions.CreatePartition(call.collection(request), request.partition_name))
    return pb.Status()


@rpc("DropPartition", pb.DropPartitionRequest, pb.Status)
def drop_partition(request: Any, call: Call) -> Any:
    """Drop a released partition."""
    call.run(partitions.DropPartition(call.collection(request), request.partition_name))
    return pb.Status()


@rpc("HasPartition", pb.HasPartitionRequest, pb.BoolResponse)
def has_partition(request: Any, call: Call) -> Any:
    """Say whether a partition exists."""
    command = partitions.HasPartition(call.collection(request), request.partition_name)
    return pb.BoolResponse(value=call.run(command))


@rpc("ShowPartitions", pb.ShowPartitionsRequest, pb.ShowPartitionsResponse)
def show_partitions(request: Any, call: Call) -> Any:
    """List partitions, all or only the loaded ones."""
    loaded_only = request.type == IN_MEMORY
    names = tuple(request.partition_names)
    found = call.run(partitions.ListPartitions(_named(request, call), names, loaded_only))
    return pb.ShowPartitionsResponse(
        partition_names=[info.name for info in found],
        partitionIDs=[info.id for info in found],
        created_timestamps=[info.created_at for info in found],
        created_utc_timestamps=[physical_ms(info.created_at) for info in found],
        inMemory_percentages=[100] * len(found) if loaded_only else [],
    )


def _named(request: Any, call: Call) -> CollectionName:
    """Return the collection of a request that may name it by id instead."""
    collection = call.collection(request)
    if collection.name or not request.collectionID:
        return collection
    described = call.run(DescribeCollection(collection, CollectionId(request.collectionID)))
    return CollectionName(described.database, described.name)


@rpc("GetPartitionStatistics", pb.GetPartitionStatisticsRequest, pb.GetPartitionStatisticsResponse)
def get_partition_statistics(request: Any, call: Call) -> Any:
    """Count the stored rows of a partition."""
    rows = call.run(partitions.PartitionStatistics(call.collection(request), request.partition_name))
    return pb.GetPartitionStatisticsResponse(stats=[pb.KeyValuePair(key="row_count", value=str(rows))])


@rpc("LoadPartitions", pb.LoadPartitionsRequest, pb.Status, slow=True)
def load_partitions(request: Any, call: Call) -> Any:
    """Make partitions readable."""
    call.run(
        partitions.Load(
            call.collection(request),
            tuple(request.partition_names),
            replicas=request.replica_number or 1,
            load_fields=tuple(request.load_fields),
            resource_groups=tuple(request.resource_groups),
        )
    )
    return pb.Status()


@rpc("ReleasePartitions", pb.ReleasePartitionsRequest, pb.Status, slow=True)
def release_partitions(request: Any, call: Call) -> Any:
    """Make partitions unreadable."""
    call.run(partitions.Release(call.collection(request), tuple(request.partition_names)))
    return pb.Status()
