"""Manifests at rest: one JSON file a version, committed by creating the next one. See docs/formats/manifest.md."""

from __future__ import annotations

import msgspec

from elanus._native.checksum import crc32c
from elanus.model.errors import DataCorrupted, StorageFailed
from elanus.model.manifest import FORMAT_VERSION, Manifest
from elanus.storage.store import AlreadyExists, ObjectNotFound, ObjectStore

OPENING = b'{"crc32c":"'
BODY = len(OPENING) + 8 + len(b'",')


class CommitConflict(Exception):  # noqa: N818 - an outcome that callers handle, not an error for users
    """Another commit came first; read the newest manifest and try again."""


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """What a manifest file holds beside the checksum."""

    format: int
    manifest: Manifest


class _Header(msgspec.Struct):
    format: int


class ManifestLog:
    """The versions of one collection's manifest, below ``prefix`` of a store."""

    def __init__(self, store: ObjectStore, prefix: str = "") -> None:
        self._store = store
        self._folder = f"{prefix}/manifest/" if prefix else "manifest/"

    def latest(self) -> Manifest:
        """Return the newest version; ObjectNotFound when there is none."""
        versions = self.versions()
        if not versions:
            raise ObjectNotFound(self._folder)
        return self.load(versions[-1])

    def load(self, version: int) -> Manifest:
        """Return one version.

        raises  ObjectNotFound when it is not there, DataCorrupted naming the file when it was changed,
                StorageFailed when a newer release wrote it
        """
        key = self._key(version)
        manifest = decode_manifest(self._store.get(key), key)
        if manifest.version != version:
            raise DataCorrupted(f"{key} holds version {manifest.version}")
        return manifest

    def versions(self) -> list[int]:
        """Return the versions that are there, ascending."""
        names = (info.key[len(self._folder) :] for info in self._store.list(self._folder))
        return [int(name[:20]) for name in names if len(name) == 25 and name.endswith(".json") and name[:20].isdigit()]

    def commit(self, manifest: Manifest) -> None:
        """Make ``manifest`` the newest version; CommitConflict unless its version is the next one."""
        versions = self.versions()
        newest = versions[-1] if versions else 0
        # Old versions are pruned, so a free key alone doesn't prove that nobody has passed it.
        if manifest.version != newest + 1:
            raise CommitConflict(f"version {manifest.version} does not follow {newest}")
        try:
            self._store.put(self._key(manifest.version), encode_manifest(manifest), if_absent=True)
        except AlreadyExists as error:
            raise CommitConflict(f"version {manifest.version} is taken") from error

    def prune(self, keep: int = 2) -> None:
        """Remove all but the newest ``keep`` versions."""
        self._store.delete([self._key(version) for version in self.versions()[: -max(keep, 1)]])

    def _key(self, version: int) -> str:
        return f"{self._folder}{version:020d}.json"


def encode_manifest(manifest: Manifest) -> bytes:
    """Return a manifest's file."""
    body = msgspec.json.encode(Envelope(FORMAT_VERSION, manifest))[1:] + b"\n"
    return OPENING + b'%08x",' % crc32c(body) + body


def decode_manifest(data: object, key: str) -> Manifest:
    """Return the manifest in a file's bytes; ``key`` names the file in errors."""
    raw = bytes(data)  # type: ignore[call-overload]
    body = raw[BODY:]
    if raw[:BODY] != OPENING + b'%08x",' % crc32c(body):
        raise DataCorrupted(f"{key} has another checksum than when it was written")
    written = msgspec.json.decode(b"{" + body, type=_Header).format
    if written > FORMAT_VERSION:
        raise StorageFailed(f"{key} has format {written}, this release reads up to {FORMAT_VERSION}")
    try:
        return msgspec.json.decode(b"{" + body, type=Envelope).manifest
    except msgspec.ValidationError as error:
        raise DataCorrupted(f"{key} is not a manifest: {error}") from error
