"""Names of a collection's log channels, as tools that read describe expect them."""

from __future__ import annotations

from elanus.model.manifest import Manifest


def physical_channels(manifest: Manifest) -> list[str]:
    """Return one physical channel name a shard."""
    return [f"by-dev-rootcoord-dml_{shard}" for shard in range(manifest.shards)]


def virtual_channels(manifest: Manifest) -> list[str]:
    """Return one virtual channel name a shard."""
    return [f"{name}_{manifest.id}v{shard}" for shard, name in enumerate(physical_channels(manifest))]
