"""What is readable: load, release, progress, state, replicas."""

from __future__ import annotations

from typing import Any

from elanus.engine import partitions
from elanus.engine.collections import DescribeCollection, Described
from elanus.model.ids import CollectionId
from elanus.server.grpc import messages as pb
from elanus.server.grpc.channels import virtual_channels
from elanus.server.grpc.rpc import Call, rpc

NODE = 1
RESOURCE_GROUP = "__default_resource_group"


@rpc("LoadCollection", pb.LoadCollectionRequest, pb.Status, slow=True)
def load_collection(request: Any, call: Call) -> Any:
    """Make a collection readable."""
    call.run(
        partitions.Load(
            call.collection(request),
            replicas=request.replica_number or 1,
            load_fields=tuple(request.load_fields),
            resource_groups=tuple(request.resource_groups),
        )
    )
    return pb.Status()


@rpc("ReleaseCollection", pb.ReleaseCollectionRequest, pb.Status, slow=True)
def release_collection(request: Any, call: Call) -> Any:
    """Make a collection unreadable."""
    call.run(partitions.Release(call.collection(request)))
    return pb.Status()


@rpc("GetLoadingProgress", pb.GetLoadingProgressRequest, pb.GetLoadingProgressResponse)
def get_loading_progress(request: Any, call: Call) -> Any:
    """Return how much is loaded, in percent."""
    names = tuple(request.partition_names)
    progress = call.run(partitions.LoadingProgress(call.collection(request), names))
    return pb.GetLoadingProgressResponse(progress=progress, refresh_progress=progress)


@rpc("GetLoadState", pb.GetLoadStateRequest, pb.GetLoadStateResponse)
def get_load_state(request: Any, call: Call) -> Any:
    """Return whether a collection or partitions are loaded."""
    state = call.run(partitions.GetLoadState(call.collection(request), tuple(request.partition_names)))
    return pb.GetLoadStateResponse(state=int(state))


@rpc("GetReplicas", pb.GetReplicasRequest, pb.GetReplicasResponse)
def get_replicas(request: Any, call: Call) -> Any:
    """Describe the one replica of a loaded collection."""
    described = call.run(DescribeCollection(call.collection(request), CollectionId(request.collectionID)))
    replicas = [_replica(described)] if described.manifest.is_loaded else []
    return pb.GetReplicasResponse(replicas=replicas)


def _replica(described: Described) -> Any:
    manifest = described.manifest
    shards = [
        pb.ShardReplica(leaderID=NODE, dm_channel_name=channel, node_ids=[NODE])
        for channel in virtual_channels(manifest)
    ]
    return pb.ReplicaInfo(
        replicaID=manifest.id,
        collectionID=manifest.id,
        partition_ids=[partition.id for partition in manifest.partitions if partition.loaded],
        shard_replicas=shards,
        node_ids=[NODE],
        resource_group_name=RESOURCE_GROUP,
    )
