"""The process that owns an embedded database: ``python -m elanus.embedded FOLDER SOCKET ANSWER_FD``.

It says on the descriptor, in one line of JSON, where it can be reached or why not, and lives until its last
connection has gone.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, TextIO

from elanus.configuration import SettingsError, read_settings
from elanus.embedded.places import attaching
from elanus.main import Server
from elanus.model.errors import DataFolderLocked, ElanusError
from elanus.model.settings import Settings
from elanus.observe.log import configure
from elanus.signals import StopSignals

log = logging.getLogger("elanus.embedded")

GRACE_S = 1.0
"""How long after the last connection the process stays: a script that opens the folder again finds it warm."""
FIRST_S = 20.0
"""How long it waits for the first connection: whoever started it connects at once, or has failed to."""


def main() -> None:
    """Become a process of its own, open the folder, serve it, end."""
    folder, socket, answer = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    if os.fork():
        os._exit(0)
    with os.fdopen(answer, "w") as out:
        server = _open(folder, socket, out)
    _live(server, folder)


def _open(folder: Path, socket: Path, out: TextIO) -> Server:
    try:
        signals = StopSignals()
        server = Server(_settings(folder, socket))
    except DataFolderLocked:
        _end(out, {"locked": True})
    except (ElanusError, SettingsError, OSError, ValueError) as error:
        _end(out, {"error": str(error)})
    except BaseException as error:
        log.exception("the database was not opened")
        _end(out, {"error": repr(error)})
    signals.then(server.port.drain)
    out.write(json.dumps({"address": server.address.target}) + "\n")
    return server


def _end(out: TextIO, answer: dict[str, object]) -> NoReturn:
    out.write(json.dumps(answer) + "\n")
    out.flush()
    raise SystemExit(1)


def _settings(folder: Path, socket: Path) -> Settings:
    settings = read_settings(None, os.environ)
    configure(settings.log.level, settings.log.form)
    return replace(settings, data=folder, server=replace(settings.server, uds=socket))


def _live(server: Server, folder: Path) -> None:
    """Serve until nobody is connected; a client that attaches meanwhile keeps the process alive."""
    while server.port.wait_until_unused(GRACE_S, FIRST_S):
        server.settle()
        with attaching(folder):
            if server.port.num_connections() == 0:
                server.close()
                return
    server.close()


if __name__ == "__main__":
    main()
