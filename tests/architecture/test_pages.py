"""The pages say what the code does: links lead somewhere, settings and RPCs are all listed, versions agree."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import elanus
from elanus.configuration import MILVUS_NAMES, keys
from elanus.engine import HANDLERS
from elanus.index import INDEX_KINDS
from elanus.server import dispatch  # noqa: F401 - fills the table of RPCs
from elanus.server.grpc.rpc import RPCS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
FOLDERS = sorted(path.parent for path in (ROOT / "src" / "elanus").glob("*/__init__.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_reference_pages_are_current() -> None:
    command = [sys.executable, str(ROOT / "tools" / "make_reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_is_on_its_page() -> None:
    page = (ROOT / "docs" / "guide" / "settings.md").read_text()
    assert [key for key in (*keys(), *MILVUS_NAMES) if f"`{key}`" not in page] == []


def test_every_rpc_is_on_its_page_with_what_it_does() -> None:
    page = (ROOT / "docs" / "guide" / "rpcs.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert sorted(listed) == sorted(rpc.name for rpc in RPCS.values())
    assert [name for name, what in listed.items() if not what] == []


def test_every_index_type_is_on_its_page() -> None:
    page = (ROOT / "docs" / "guide" / "indexes.md").read_text()
    assert [kind.name for kind in INDEX_KINDS if f"## `{kind.name}`" not in page] == []


def test_every_command_has_a_docstring() -> None:
    assert [command.__name__ for command in HANDLERS if not (command.__doc__ or "").strip()] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_package_is_in_the_architecture(folder: Path) -> None:
    assert f"(src/elanus/{folder.name}" in (ROOT / "ARCHITECTURE.md").read_text()


def test_every_file_that_is_written_has_its_format_page() -> None:
    assert {"manifest.md", "wal.md", "segment.md", "index.md"} <= {
        path.name for path in (ROOT / "docs/formats").iterdir()
    }


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert elanus.__version__ == project == workspace
    assert f"## {project}" in (ROOT / "CHANGELOG.md").read_text()
