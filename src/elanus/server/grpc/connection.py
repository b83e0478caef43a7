"""Who serves: connect, version, time, health."""

from __future__ import annotations

from typing import Any

from elanus.engine import system
from elanus.server.grpc import messages as pb
from elanus.server.grpc.rpc import Call, rpc

HEALTHY = 1


@rpc("Connect", pb.ConnectRequest, pb.ConnectResponse)
def connect(_request: Any, call: Call) -> Any:
    """Open a session."""
    connected = call.run(system.Connect(call.metadata.get("dbname", "")))
    server = pb.ServerInfo(build_tags=connected.version, deploy_mode="STANDALONE")
    return pb.ConnectResponse(identifier=connected.identifier, server_info=server)


@rpc("GetVersion", pb.GetVersionRequest, pb.GetVersionResponse)
def get_version(_request: Any, call: Call) -> Any:
    """Return the version that clients gate features on."""
    return pb.GetVersionResponse(version=call.run(system.GetVersion()))


@rpc("AllocTimestamp", pb.AllocTimestampRequest, pb.AllocTimestampResponse)
def alloc_timestamp(_request: Any, call: Call) -> Any:
    """Return a timestamp later than every write so far."""
    return pb.AllocTimestampResponse(timestamp=call.run(system.AllocateTimestamp()))


@rpc("CheckHealth", pb.CheckHealthRequest, pb.CheckHealthResponse)
def check_health(_request: Any, _call: Call) -> Any:
    """Say that the server answers."""
    return pb.CheckHealthResponse(isHealthy=True)


@rpc("GetComponentStates", pb.GetComponentStatesRequest, pb.ComponentStates)
def get_component_states(_request: Any, _call: Call) -> Any:
    """Say that the one node is healthy."""
    state = pb.ComponentInfo(nodeID=1, role="standalone", state_code=HEALTHY)
    return pb.ComponentStates(state=state)
