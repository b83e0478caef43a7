"""The keys of services: named by the function, by the settings, or in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from elanus.model.errors import InvalidParameter
from elanus.model.settings import FunctionSettings


def api_key(
    settings: FunctionSettings,
    *,
    named: str,
    configured: str,
    variable: str,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Return the key to call a service with, empty when there is none.

    named       the credential that the function names, empty for none; configured: the one that the settings name
    variable    the environment's variable, ``MILVUS_..._API_KEY``; the older MILVUSAI_ is read too
    raises      InvalidParameter for a name that isn't known; it never shows a key
    """
    name = named or configured
    if name:
        credential = settings.credentials.get(name)
        if credential is None:
            raise InvalidParameter(f"can not find credential: {name}")
        if not credential.apikey:
            raise InvalidParameter(f"credential {name} holds no apikey")
        return credential.apikey
    older = variable.replace("MILVUS_", "MILVUSAI_", 1)
    return environment.get(variable, "") or environment.get(older, "")


def missing_key(variable: str) -> InvalidParameter:
    """Return the refusal of a call that nobody gave a key for."""
    return InvalidParameter(
        f"missing credentials config or configure the {variable} environment variable in the Milvus service"
    )
