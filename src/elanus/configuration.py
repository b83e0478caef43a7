"""Settings from their sources, later ones first: command line, environment, ``elanus.yaml``, defaults.

A key is the path in the settings tree: ``server.port``, in the environment ``ELANUS_SERVER_PORT``, in the file

    server:
      port: 19530

The file also takes the names that milvus.yaml has for the same things. A key that isn't known is an error, not
a surprise.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_origin, get_type_hints

import msgspec

from elanus.model.settings import Settings

FILE = Path("elanus.yaml")
"""Read when it is in the current folder and no other file is named."""
PREFIX = "ELANUS_"
FILE_VARIABLE = "ELANUS_CONFIG"

MILVUS_NAMES = {
    "credential": "functions.credentials",
    "function.model.requestTimeout": "functions.timeout_s",
    "function.rerank.model.providers": "functions.rerankers",
    "localStorage.path": "data",
    "log.format": "log.form",
    "proxy.grpc.serverMaxRecvSize": "server.message_bytes",
    "proxy.grpc.serverMaxSendSize": "server.reply_bytes",
    "proxy.ip": "server.host",
    "proxy.port": "server.port",
}
"""Keys of milvus.yaml and what they are called here; ``log.level`` has the same name."""


class SettingsError(Exception):
    """A setting that can't be used; the message names it and where it stands."""


def read_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings that the sources make together.

    file         a YAML file; none when it is None
    environment  variables, of which those that begin with ELANUS_ count
    given        values by key, stronger than the others; those that are None don't count
    raises       SettingsError naming the key and its source
    """
    values: dict[str, Any] = {}
    if file is not None:
        values |= _from_file(file)
    values |= _from_environment(environment or {})
    for key, value in (given or {}).items():
        if value is not None:
            values[key] = _checked(key, value, "the command line")
    return cast("Settings", _built(Settings, values))


def find_file(named: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Return the settings file to read: the one named, that of ``ELANUS_CONFIG``, ``elanus.yaml`` here, or none."""
    if named is not None:
        return named
    if environment.get(FILE_VARIABLE):
        return Path(environment[FILE_VARIABLE])
    return FILE if FILE.is_file() else None


def keys() -> dict[str, Any]:
    """Return every key with its type."""
    return dict(_leaves(Settings))


def _leaves(section: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(section)
    for field in fields(section):
        hint = hints[field.name]
        if is_dataclass(hint):
            yield from _leaves(cast("type[Any]", hint), f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, hint


_KEYS = keys()
_MAPPINGS = frozenset(key for key, hint in _KEYS.items() if get_origin(hint) is dict)
"""Keys whose value is a mapping of its own, written as JSON in the environment."""
_VARIABLES = {PREFIX + key.upper().replace(".", "_"): key for key in _KEYS}


def _from_file(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {path} can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path} is no YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"settings file {path} holds no mapping of keys to values")
    found = {}
    for name, value in _flat(content):
        key = MILVUS_NAMES.get(name, name)
        found[key] = _checked(key, value, f"file {path}", shown=name)
    return found


def _flat(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and MILVUS_NAMES.get(path, path) not in _MAPPINGS:
            yield from _flat(value, f"{path}.")
        else:
            yield path, _without_gaps(value)


def _without_gaps(value: Any) -> Any:
    """Return a mapping without the keys, on any level, that are followed by nothing, as milvus.yaml has them."""
    if not isinstance(value, dict):
        return value
    return {name: _without_gaps(inner) for name, inner in value.items() if inner is not None}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != FILE_VARIABLE:
            key = _VARIABLES.get(name)
            if key is None:
                raise SettingsError(f"unknown setting {name} in the environment{_meant(name, _VARIABLES)}")
            found[key] = _checked(key, _json(text) if key in _MAPPINGS else text, "the environment", shown=name)
    return found


def _checked(key: str, value: Any, source: str, *, shown: str = "") -> Any:
    """Return a value as its key's type; SettingsError naming key and source."""
    if key not in _KEYS:
        known = (*_KEYS, *MILVUS_NAMES)
        raise SettingsError(f"unknown setting {shown or key} in {source}{_meant(shown or key, known)}")
    try:
        return msgspec.convert(value, _KEYS[key], strict=False, dec_hook=_path)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"setting {shown or key} in {source}: {value!r} does not fit: {error}") from error


def _json(text: str) -> Any:
    """Return what a text says as JSON, or the text, which then fits nowhere."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _path(wanted: type[Any], value: Any) -> Any:
    if wanted is Path and isinstance(value, str | Path):
        return Path(value)
    raise ValueError(f"expected {wanted.__name__}")


def _meant(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "; docs/guide/settings.md lists all"


def _built(section: type[Any], values: Mapping[str, Any]) -> Any:
    """Return a section with the values of its keys; keys are relative to it."""
    hints = get_type_hints(section)
    changes = {}
    for field in fields(section):
        if is_dataclass(hints[field.name]):
            prefix = f"{field.name}."
            inner = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
            changes[field.name] = _built(cast("type[Any]", hints[field.name]), inner)
        elif field.name in values:
            changes[field.name] = values[field.name]
    return section(**changes)
