"""The commands and their options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import elanus
from elanus.cli import serving
from elanus.configuration import find_file, read_settings

app = typer.Typer(
    help="A vector database that speaks the Milvus protocol.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> None:
    """Parse the arguments of this process and run the command they name."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"elanus {elanus.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A vector database that speaks the Milvus protocol."""


@app.command()
def serve(  # noqa: PLR0917 - a parameter an option
    data: Annotated[Path | None, typer.Option(help="The data folder; made when it isn't there.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = None,
    uds: Annotated[Path | None, typer.Option(help="Listen on this Unix socket instead of a port.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; elanus.yaml when it is here.")] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Serve other machines without authentication.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Serve a data folder to Milvus clients until SIGTERM or Ctrl-C."""
    given = {
        "data": data,
        "server.host": host,
        "server.port": port,
        "server.uds": uds,
        "server.insecure": insecure,
        "log.level": log_level,
    }
    with serving.explained():
        file = find_file(config, os.environ)
        settings = read_settings(file, os.environ, given)
        serving.serve(settings, file)


@app.command()
def explain(  # noqa: PLR0917 - a parameter an option
    collection: Annotated[str, typer.Argument(help="The collection, or an alias of it.", show_default=False)],
    filter_text: Annotated[str, typer.Argument(metavar="[FILTER]", help="The filter.", show_default=False)] = "",
    search: Annotated[str | None, typer.Option(metavar="FIELD", help="Search this vector field too.")] = None,
    like: Annotated[str | None, typer.Option(metavar="KEY", help="Search for the vector of a stored row.")] = None,
    vector: Annotated[str | None, typer.Option(help="Search for a vector: FILE.npy or JSON, such as [1, 2].")] = None,
    limit: Annotated[int, typer.Option(help="How many rows to find.", min=1)] = 10,
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of the search; may be repeated.")] = None,
    recall: Annotated[bool, typer.Option("--recall", help="Check by an exact scan what is missed.")] = False,
    data: Annotated[Path | None, typer.Option(help="The data folder; its server is asked, or one started.")] = None,
    uri: Annotated[str | None, typer.Option(help="The server to ask, such as http://127.0.0.1:19530.")] = None,
    database: Annotated[str, typer.Option("--db", help="The database.")] = "default",
    partition: Annotated[list[str] | None, typer.Option(help="A partition to read; may be repeated.")] = None,
    value: Annotated[list[str] | None, typer.Option(help="NAME=JSON for {NAME}; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Show how a filter is answered, or how a field is searched: each segment's way and why, rows, time."""
    from elanus.cli import explain as asking

    with serving.explained():
        settings = read_settings(find_file(None, os.environ), os.environ, {"data": data})
        place = asking.Place(uri=uri, data=settings.data, database=database, collection=collection)
        condition = asking.Filter(text=filter_text, partitions=partition or [], values=value or [])
        wanted = None
        if search is not None:
            wanted = asking.Search(
                field=search, like=like, vector=vector, limit=limit, params=param or [], recall=recall
            )
        elif like is not None or vector is not None or param or recall:
            raise asking.ExplainError("--like, --vector, --param and --recall go with --search FIELD")
        asking.explain(place, condition, wanted, as_json=as_json)
