"""``python -m elanus`` is the ``elanus`` command."""

from elanus.cli.app import main

main()
