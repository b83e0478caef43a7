"""What an import loads, in a fresh interpreter: the price that every user of the package pays."""

import subprocess
import sys

import pytest

HEAVY = {"faiss", "grpc", "numpy", "pandas", "pyarrow", "pymilvus", "rich", "shapely", "sqlalchemy", "typer", "yaml"}


def loaded_by(code: str) -> set[str]:
    """Return the modules that are no part of Python and that the code loads."""
    program = f"""
import sys
before = set(sys.modules)
{code}
names = {{name for name in set(sys.modules) - before if name.partition(".")[0] not in sys.stdlib_module_names}}
print(" ".join(sorted(names)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_the_package_alone() -> None:
    assert loaded_by("import elanus") == {"elanus"}


def test_asking_for_the_version_loads_nothing_heavy() -> None:
    code = """
import sys
sys.argv = ["elanus", "--version"]
from elanus.cli.app import main
main()
"""
    assert loaded_by(code) == {"elanus", "elanus.cli", "elanus.cli.app"}


def test_the_server_loads_no_client_and_no_search_library_before_it_needs_one() -> None:
    found = {name.partition(".")[0] for name in loaded_by("import elanus.main")}
    assert found & HEAVY == {"numpy", "pyarrow", "sqlalchemy"}


@pytest.mark.parametrize("name", ["MilvusClient", "AsyncMilvusClient", "serve"])
def test_every_public_name_is_there(name: str) -> None:
    assert "elanus" in loaded_by(f"from elanus import {name}")


def test_a_missing_pymilvus_is_named_with_its_extra() -> None:
    code = """
import sys
sys.modules["pymilvus"] = None
try:
    from elanus import MilvusClient
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'elanus[client]'" in done.stdout
