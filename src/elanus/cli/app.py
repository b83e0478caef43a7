"""The ``elanus`` command: what it can do, and its way from an error to a line that helps."""

from __future__ import annotations

import sys

import elanus

FAILED, MISUSED = 1, 2
"""Exit codes: it could not be done; it was asked for wrongly (a setting, an option)."""


def main() -> None:
    """Run the command line of this process."""
    if sys.argv[1:] == ["--version"]:  # nothing is loaded for that
        print(f"elanus {elanus.__version__}")
        return
    from elanus.cli import commands

    commands.run()
