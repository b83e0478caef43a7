"""Files that functions name: a name, and where its file is on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from elanus.model.errors import InvalidParameter

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def find_resource(name: str, folder: Path | None, suffix: str = "") -> Path:
    """Return the file of a resource.

    folder  where resources are, None for nowhere
    suffix  may be left out of the name
    raises  InvalidParameter unless there is such a file
    """
    if folder is not None and _NAME.fullmatch(name):
        for path in (folder / name, folder / f"{name}{suffix}"):
            if path.is_file():
                return path
    raise InvalidParameter(f"file resource {name} not found")
