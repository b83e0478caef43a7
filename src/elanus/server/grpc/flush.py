"""Flush: it answers when everything is in files, so every state asked for afterwards is flushed."""

from __future__ import annotations

from typing import Any

from elanus.engine import data
from elanus.engine.base import CollectionName
from elanus.engine.collections import HasCollection
from elanus.model.errors import CollectionNotFound, MissingParameter
from elanus.model.time import physical_ms
from elanus.server.grpc import messages as pb
from elanus.server.grpc.rpc import Call, rpc


@rpc("Flush", pb.FlushRequest, pb.FlushResponse, slow=True)
def flush(request: Any, call: Call) -> Any:
    """Write the named collections to files."""
    database = call.database(request.db_name)
    reply = pb.FlushResponse(db_name=database)
    for name, flushed in call.run(data.Flush(database, tuple(request.collection_names))).items():
        # Already flushed when the client reads this: no segment is left for it to wait for.
        reply.coll_segIDs[name].SetInParent()
        reply.flush_coll_segIDs[name].data.extend(flushed.segments)
        reply.coll_seal_times[name] = physical_ms(flushed.at) // 1000
        reply.coll_flush_ts[name] = flushed.at
    return reply


@rpc("FlushAll", pb.FlushAllRequest, pb.FlushAllResponse, slow=True)
def flush_all(request: Any, call: Call) -> Any:
    """Write every collection of a database, of all databases, or of the named ones."""
    if not request.flush_targets:
        return pb.FlushAllResponse(flush_all_ts=call.run(data.FlushAll(request.db_name)))
    return pb.FlushAllResponse(flush_all_ts=max(_flush_target(target, call) for target in request.flush_targets))


def _flush_target(target: Any, call: Call) -> int:
    database = call.database(target.db_name)
    if not target.collection_names:
        return call.run(data.FlushAll(database))
    flushed = call.run(data.Flush(database, tuple(target.collection_names)))
    return max(each.at for each in flushed.values())


@rpc("GetFlushState", pb.GetFlushStateRequest, pb.GetFlushStateResponse)
def get_flush_state(request: Any, call: Call) -> Any:
    """Say that a flush that was answered is done."""
    if request.collection_name:
        _require(call.collection(request), call)
    return pb.GetFlushStateResponse(flushed=True)


def _require(collection: CollectionName, call: Call) -> None:
    if not call.run(HasCollection(collection)):
        raise CollectionNotFound(database=collection.database, collection=collection.name)


@rpc("GetFlushAllState", pb.GetFlushAllStateRequest, pb.GetFlushAllStateResponse)
def get_flush_all_state(request: Any, _call: Call) -> Any:
    """Say that a flush of everything that was answered is done."""
    if not request.flush_all_ts and not request.flush_all_tss:
        raise MissingParameter("flush_all_ts or flush_all_tss is needed")
    return pb.GetFlushAllStateResponse(flushed=True)
