"""The ``elanus`` command."""
