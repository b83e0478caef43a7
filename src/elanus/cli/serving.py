"""``elanus serve``: start, say where, serve until asked to stop, end in order."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path

import elanus
from elanus.cli.app import FAILED, MISUSED
from elanus.cli.explain import ExplainError
from elanus.configuration import SettingsError
from elanus.main import Server
from elanus.model.errors import DataFolderLocked, ElanusError
from elanus.model.settings import Settings
from elanus.observe import log
from elanus.signals import StopSignals


def serve(settings: Settings, file: Path | None) -> None:
    """Serve until a stop signal; ``file`` is the settings file that was read."""
    try:
        log.configure(settings.log.level, settings.log.form)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    signals = StopSignals()
    with Server(settings) as server:
        _announce(server, settings, file)
        signals.wait()
        print("stopping: finishing calls and writing to files (again to stop at once)", flush=True)


def _announce(server: Server, settings: Settings, file: Path | None) -> None:
    lines = [
        ("Elanus", elanus.__version__),
        ("listening", _uri(server)),
        ("data", str(settings.data.absolute())),
    ]
    if file is not None:
        lines.append(("settings", str(file)))
    if sys.stdout.isatty():
        _print_panel(lines, _uri(server))
    else:
        print("  ".join(f"{name} {value}" for name, value in lines), flush=True)
    if settings.server.insecure and settings.server.uds is None:
        print("warning: no authentication; anybody who reaches this address has everything", file=sys.stderr)


def _uri(server: Server) -> str:
    return server.address.target if server.address.uds else f"http://{server.address.target}"


def _print_panel(lines: list[tuple[str, str]], uri: str) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for name, value in lines[1:]:
        grid.add_row(f"[dim]{name}", value)
    grid.add_row("[dim]connect", f'MilvusClient("{uri}")')
    grid.add_row("[dim]stop", "Ctrl-C")
    Console(highlight=False).print(Panel(grid, title=f"[bold]{' '.join(lines[0])}", expand=False, title_align="left"))


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of a start into a line on standard error and an exit code."""
    try:
        yield
    except SettingsError as error:
        _fail(str(error), MISUSED)
    except DataFolderLocked as error:
        _fail(f"{error}\nStop that process, or name another folder with --data.", FAILED)
    except ElanusError as error:
        _fail(str(error), FAILED)
    except ExplainError as error:
        _fail(str(error), FAILED)
    except OSError as error:
        _fail(_advice(error), FAILED)
    except ValueError as error:
        _fail(str(error), MISUSED)


def _advice(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE or "in use" in str(error):
        return f"{error}\nAnother server has that address: name another with --port, or 0 for any free one."
    if error.errno == errno.EACCES or "ermission denied" in str(error):
        return f"{error}\nChoose a port above 1023 and a folder that you may write to."
    return str(error)


def _fail(message: str, code: int) -> None:
    print(f"elanus: {message}", file=sys.stderr)
    raise SystemExit(code)
