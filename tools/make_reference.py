"""Write the reference pages of docs/guide from the code: settings, RPCs, index types.

    python tools/make_reference.py [--check]

With ``--check`` nothing is written; pages that are not current are named.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from elanus.configuration import FILE, FILE_VARIABLE, MILVUS_NAMES, PREFIX
from elanus.index import INDEX_KINDS
from elanus.index.base import IndexKind
from elanus.model.params import Params
from elanus.model.settings import Settings
from elanus.server import dispatch  # noqa: F401 - fills the table of RPCs
from elanus.server.grpc.explain import SERVICE as EXPLAIN_SERVICE
from elanus.server.grpc.messages import SERVICE
from elanus.server.grpc.rpc import RPCS, Rpc

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guide"
MADE = "Made from the code by `tools/make_reference.py`."


def main() -> None:
    """Write the pages, or check them."""
    stale = []
    for name, make in PAGES.items():
        path, text = GUIDE / name, make()
        if sys.argv[1:] != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    sys.exit(f"not current: {', '.join(stale)}; run python tools/make_reference.py" if stale else None)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


# --- settings ---


def settings_page() -> str:
    """Return the page of settings."""
    head = f"""# Settings

{MADE}

Sources, the stronger ones first:

1. options of the command line (`elanus serve --help`);
2. the environment: `{PREFIX}` and the key in upper case with underscores, `server.port` is `{PREFIX}SERVER_PORT`;
3. a YAML file: the one named by `--config` or `{FILE_VARIABLE}`, or `{FILE}` in the current folder;
4. the defaults below.

An embedded database takes the environment of the process that opened it first. A key that isn't known is an error.

```yaml
data: /var/lib/elanus
server:
  port: 19530
```
"""
    names = [(f"`{theirs}`", f"`{ours}`") for theirs, ours in sorted(MILVUS_NAMES.items())]
    theirs = "\n## Names of milvus.yaml that the file takes too\n\n" + table(("there", "here"), names)
    return head + "".join(settings_section(name, kind) for name, kind in settings_sections()) + theirs


def settings_sections() -> Iterator[tuple[str, type[Any]]]:
    """Return the sections with their key prefixes, the general one first."""
    yield "", Settings
    for name, hint in get_type_hints(Settings).items():
        if is_dataclass(hint):
            yield name, hint  # type: ignore[misc]


def settings_section(name: str, kind: type[Any]) -> str:
    """Return the table of one section."""
    docs, hints = field_docs(kind), get_type_hints(kind)
    rows = [
        (f"`{name}{'.' if name else ''}{field.name}`", type_name(hints[field.name]), default(field), docs[field.name])
        for field in fields(kind)
        if not is_dataclass(hints[field.name])
    ]
    title = f"## {name}\n\n{inspect.getdoc(kind)}" if name else "## General"
    return f"\n{title}\n\n" + table(("key", "type", "default", "what"), rows)


def field_docs(kind: type[Any]) -> dict[str, str]:
    """Return the text below each field of a dataclass."""
    (node,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(node, ast.ClassDef)
    found = {}
    for declared, below in zip(node.body, node.body[1:], strict=False):
        if isinstance(declared, ast.AnnAssign) and isinstance(declared.target, ast.Name) and is_text(below):
            found[declared.target.id] = " ".join(below.value.value.split())  # type: ignore[attr-defined]
    return found


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string on its own."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def type_name(hint: Any) -> str:
    """Return a type as people say it."""
    if isinstance(hint, types.UnionType):
        return " or ".join(type_name(part) for part in hint.__args__ if part is not type(None))
    names = {"Path": "path", "str": "text", "int": "integer", "float": "number", "bool": "true or false"}
    names["dict"] = "mapping"
    return names[hint.__name__]


def default(field: Field[Any]) -> str:
    """Return the default as it is written in the file, sizes in their unit too."""
    value = field.default
    if value is None or value is MISSING or value == "":
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and value >= 2**20 and value % 2**20 == 0:
        return f"`{value}` ({value // 2**20} MiB)"
    return f"`{value}`"


# --- RPCs ---


def rpcs_page() -> str:
    """Return the page of RPCs."""
    milvus, ours = (
        table(("method", "what it does"), [(f"`{rpc.name}`", first_line(rpc)) for rpc in served])
        for served in (named(RPCS.values(), SERVICE), named(RPCS.values(), EXPLAIN_SERVICE))
    )
    head = f"""# RPCs

{MADE}

These methods of the Milvus service are served. Any other one ends with the gRPC status UNIMPLEMENTED, which names it.

"""
    note = "Our own service on the same port. Requests are Milvus' messages, replies hold JSON."
    own = f"\n## `{EXPLAIN_SERVICE}`\n\n{note}\n\n"
    return head + milvus + own + ours


def named(rpcs: Iterable[Rpc], service: str) -> list[Rpc]:
    """Return the methods of a service by name."""
    return sorted((rpc for rpc in rpcs if rpc.service == service), key=lambda rpc: rpc.name)


def first_line(rpc: Rpc) -> str:
    """Return the first line of a function's docstring."""
    return (inspect.getdoc(rpc.run) or "").partition("\n")[0]


# --- index types ---


def indexes_page() -> str:
    """Return the page of index types."""
    head = f"""# Index types

{MADE}

Names are taken as they are written here. The first metric of a type is the one used when none is given. Segments of
fewer rows than `jobs.index_min_rows` are scanned exactly, and so is a filtered search with few survivors. Indexes over
scalar fields serve filters; where reading the column is quicker, the column is read.

A graph (HNSW, HNSW_SQ) is walked on codes of the vectors. What it finds is measured again on the vectors themselves, so
distances are exact, whatever `sq_type`, `refine` and `refine_type` say; `refine_k` times as many rows as results are
measured at least. SQ6 is kept as SQ8. Null vectors are not indexed.

| how wide a graph is searched | |
| --- | --- |
| `ef` | the width itself; at least as many as results |
| `target_recall` | without `ef`: the share of the true neighbours to aim at |
| `level` | without both: 1 to 10 times the default of 64 |

| `hints` of a search under a filter | |
| --- | --- |
| none, `disable` | the graph chooses by what each way costs, and by what it meets |
| `iterative_filter` | the nearest rows first, then whether they pass: for filters that take long |
| `scan`, `plain`, `alpha`, `mix`, `bridge` | this way, whatever it costs |
| `column` | the graphs of the values that the filter names, where there are [column graphs](column-graphs.md) |
"""
    return head + "".join(index_section(kind) for kind in INDEX_KINDS)


def index_section(kind: IndexKind) -> str:
    """Return one index type: what it serves, its parameters."""
    served = [
        (data_type.name, ", ".join(metric.value for metric in metrics) or "none", kind.answered_by(data_type))
        for data_type, metrics in kind.metrics.items()
    ]
    text = f"\n## `{kind.name}`\n\n" + table(("field type", "metrics", "answered by"), served) + limits_of(kind)
    searched = [("search", kind.search_params)] if kind.family == "vector" else []
    for title, params in (("build", kind.build_params), *searched):
        rows = [parameter(params, name, attribute) for name, attribute in params.wire_names().items()]
        if rows:
            text += "\n" + table((f"{title} parameter", "default", "range"), rows)
    return text


def limits_of(kind: IndexKind) -> str:
    """Return which names, elements and JSON types a kind takes, a line each."""
    lines = {
        "Also written": [f"`{name}`" for name in kind.aliases],
        "Elements of arrays": [element.name for element in sorted(kind.elements)],
        "Elements of struct sub-fields": [element.name for element in sorted(kind.struct_elements)],
        "`json_cast_type` of JSON paths": [f"`{cast}`" for cast in kind.casts],
    }
    return "".join(f"\n{what}: {', '.join(names)}.\n" for what, names in lines.items() if names)


def parameter(params: type[Params], name: str, attribute: str) -> tuple[str, str, str]:
    """Return a parameter's name, default and range."""
    (field,) = (field for field in fields(params) if field.name == attribute)
    spec = field.metadata["spec"]
    if spec.choices:
        allowed = ", ".join(choice for choice in spec.choices if choice)
    elif spec.low is None and spec.high is None:
        allowed = ""
    else:
        low = "" if spec.low is None else f"from {spec.low} "
        high = "" if spec.high is None else f"{'below' if spec.high_open else 'to'} {spec.high}"
        allowed = (low + high).strip()
    default = "none" if field.default == "" else f"`{field.default}`"
    return f"`{name}`", "must be given" if spec.required else default, allowed


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "rpcs.md": rpcs_page,
    "indexes.md": indexes_page,
}

if __name__ == "__main__":
    main()
