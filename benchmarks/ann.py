"""The vector engine beside its peers: speed at equal recall, builds, filters, memory, streams, in one run.

    python benchmarks/ann.py [--data FOLDER] [--peers VENV/bin/python] [--engines a,b] [--works graph,filter]
                             [--limit QUERIES] [--json FILE]

Every engine runs in a process of its own, one after another, pinned to one core, and is asked one query a call, in
process. QPS are queries a second of CPU time, the best of some passes; QPS at a recall are log-linear between the two
sweep points around it. A peer whose package is missing is reported and left out; ``--peers`` names the interpreter
that has them:

    python -m venv peers && peers/bin/pip install numpy pyarrow faiss-cpu hnswlib scalable-vs usearch voyager zvec

FOLDER is laid out as ``tests/data/wordnet``; ``clustered.py`` makes a large one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nearest.elanus_engines
import nearest.faiss_engines
import nearest.graph_peers  # noqa: F401 - each registers its engines
from nearest.data import Dataset
from nearest.engine import ENGINES, Kind
from nearest.report import show
from nearest.works import WORKS, Task, perform, works_of

DATA = Path(__file__).parent.parent / "tests" / "data" / "wordnet"
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def work(arguments: argparse.Namespace) -> None:
    """Measure one engine in this process and leave its entry in a file."""
    if arguments.core >= 0:
        os.sched_setaffinity(0, {arguments.core})
    kind = ENGINES[arguments.worker]
    entry: dict[str, Any] = {"engine": kind.name, "role": kind.role}
    try:
        package = kind.make().package
        entry["version"] = f"{package} {version(package)}"
    except PackageNotFoundError:
        entry["missing"] = package
    note = lambda: arguments.out.write_text(json.dumps(entry))  # noqa: E731
    note()
    if "missing" not in entry:
        data = Dataset(arguments.data, arguments.limit)
        perform(kind, arguments.works, Task(data, arguments.k, arguments.budget, entry, note))


def measured(kind: Kind, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what a process of its own found out about an engine; as far as it came when it failed."""
    python = sys.executable if kind.ours or arguments.peers is None else str(arguments.peers)
    with tempfile.TemporaryDirectory(prefix="ann-") as folder:
        out = Path(folder) / "entry.json"
        options = {
            "--worker": kind.name,
            "--data": arguments.data,
            "--works": ",".join(arguments.works),
            "--limit": arguments.limit,
            "--budget": arguments.budget,
            "--core": arguments.core,
            "--out": out,
            "-k": arguments.k,
        }
        command = [python, __file__, *(str(part) for option in options.items() for part in option)]
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
        try:
            ended = subprocess.run(command, env=environment, timeout=arguments.timeout, check=False).returncode
        except subprocess.TimeoutExpired:
            ended = f"not within {arguments.timeout:.0f} s"
        entry = json.loads(out.read_text()) if out.exists() else {"engine": kind.name, "role": kind.role}
    return entry if ended == 0 else entry | {"failed": ended}


def machine() -> dict[str, str]:
    """Describe where this ran."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = {"cpu": next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))}
    try:
        from elanus._native.kernels import simd_level

        found["simd"] = simd_level()
    except ImportError:
        found["simd"] = "unknown"
    return found


def kept(path: Path, ran: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries of an earlier run by engine, without its failures; it must have been a run of this kind."""
    earlier = json.loads(path.read_text())
    if any(earlier[name] != value for name, value in ran.items()):
        sys.exit(f"{path} is of another machine, data or k")
    entries = {entry["engine"]: entry for entry in earlier["engines"]}
    return {
        name: {key: value for key, value in entry.items() if key not in ("missing", "failed")}
        for name, entry in entries.items()
    }


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--peers", type=Path, help="an interpreter that has the peers' packages")
    parser.add_argument("--engines", type=names, default=list(ENGINES), help=f"of {', '.join(ENGINES)}")
    parser.add_argument("--works", type=names, default=list(WORKS), help=f"of {', '.join(WORKS)}")
    parser.add_argument("--limit", type=int, default=0, help="ask so many queries at most")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds a sweep point")
    parser.add_argument("--core", type=int, default=0, help="run on this core; negative: on any")
    parser.add_argument("--timeout", type=float, default=7200.0, help="seconds an engine may take in all")
    parser.add_argument("--json", type=Path, help="keep the results here; entries of other engines there stay")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = [*(set(arguments.engines) - set(ENGINES)), *(set(arguments.works) - set(WORKS))]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    return arguments


def main() -> None:
    arguments = parsed()
    if arguments.worker:
        work(arguments)
        return
    ran = {"data": Dataset(arguments.data).name, "k": arguments.k, "machine": machine()}
    entries = kept(arguments.json, ran) if arguments.json and arguments.json.exists() else {}
    for name in arguments.engines:
        if works_of(ENGINES[name], arguments.works):
            print(f"{name} ...", file=sys.stderr, flush=True)
            entries[name] = entries.get(name, {}) | measured(ENGINES[name], arguments)
            if arguments.json:
                arguments.json.write_text(json.dumps(ran | {"engines": list(entries.values())}, indent=1))
    show(ran | {"engines": list(entries.values())})


if __name__ == "__main__":
    main()
