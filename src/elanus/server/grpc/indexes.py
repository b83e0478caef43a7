"""Indexes: create, describe, progress, drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elanus.engine import indexes
from elanus.index.base import EXACT_SCAN
from elanus.model.errors import IndexDuplicates, IndexNotFound
from elanus.model.schema import Pairs
from elanus.server.grpc import messages as pb
from elanus.server.grpc.pairs import pairs_from, pairs_to
from elanus.server.grpc.rpc import Call, rpc

# Kinds that are an exact scan by name; for every other kind it is worth saying.
EXACT_KINDS = ("FLAT", "BIN_FLAT")


@rpc("CreateIndex", pb.CreateIndexRequest, pb.Status)
def create_index(request: Any, call: Call) -> Any:
    """Describe an index and start building it."""
    params = pairs_from(request.extra_params)
    call.run(indexes.CreateIndex(call.collection(request), request.field_name, request.index_name, params))
    return pb.Status()


def _found(request: Any, call: Call, name: str) -> Sequence[indexes.IndexDescription]:
    collection = call.collection(request)
    found = call.run(indexes.DescribeIndexes(collection, name))
    if found:
        return found
    raise IndexNotFound(indexName=name) if name else IndexNotFound(collection=collection.name)


@rpc("DescribeIndex", pb.DescribeIndexRequest, pb.DescribeIndexResponse)
def describe_index(request: Any, call: Call) -> Any:
    """Describe one index or all."""
    found = _found(request, call, request.index_name)
    return pb.DescribeIndexResponse(index_descriptions=[_message(each) for each in found])


@rpc("GetIndexStatistics", pb.GetIndexStatisticsRequest, pb.GetIndexStatisticsResponse)
def get_index_statistics(request: Any, call: Call) -> Any:
    """Describe one index or all, with their rows."""
    found = _found(request, call, request.index_name)
    return pb.GetIndexStatisticsResponse(index_descriptions=[_message(each) for each in found])


def _message(described: indexes.IndexDescription) -> Any:
    return pb.IndexDescription(
        index_name=described.info.name,
        indexID=described.info.id,
        field_name=described.field,
        params=pairs_to(_params(described)),
        state=int(described.state),
        index_state_fail_reason=described.fail_reason,
        total_rows=described.total_rows,
        indexed_rows=described.indexed_rows,
        pending_index_rows=described.total_rows - described.indexed_rows,
    )


def _params(described: indexes.IndexDescription) -> Pairs:
    """Return what the user passed and what was measured; an exact scan that answers for another kind is named too."""
    given = (*described.info.params, *described.measured)
    if described.answered_by != EXACT_SCAN or described.info.kind in EXACT_KINDS:
        return given
    return (*given, ("answered_by", EXACT_SCAN))


def _only(request: Any, call: Call) -> indexes.IndexDescription:
    found = _found(request, call, request.index_name or request.field_name)
    if len(found) > 1:
        raise IndexDuplicates("the collection has several indexes, name one")
    return found[0]


@rpc("GetIndexState", pb.GetIndexStateRequest, pb.GetIndexStateResponse)
def get_index_state(request: Any, call: Call) -> Any:
    """Return whether one index is built."""
    described = _only(request, call)
    return pb.GetIndexStateResponse(state=int(described.state), fail_reason=described.fail_reason)


@rpc("GetIndexBuildProgress", pb.GetIndexBuildProgressRequest, pb.GetIndexBuildProgressResponse)
def get_index_build_progress(request: Any, call: Call) -> Any:
    """Return how many rows one index covers."""
    described = _only(request, call)
    return pb.GetIndexBuildProgressResponse(indexed_rows=described.indexed_rows, total_rows=described.total_rows)


@rpc("DropIndex", pb.DropIndexRequest, pb.Status)
def drop_index(request: Any, call: Call) -> Any:
    """Drop an index."""
    call.run(indexes.DropIndex(call.collection(request), request.field_name, request.index_name))
    return pb.Status()
