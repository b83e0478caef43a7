"""The engine of one process: a command goes straight to its handler."""

from __future__ import annotations

from elanus.engine.base import HANDLERS, Command, R
from elanus.engine.instance import Instance


class LocalEngine:
    """Runs commands on an instance, in the caller's thread."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def execute(self, command: Command[R]) -> R:
        """Run the command's handler; raises ElanusError when the answer is no."""
        answer: R = HANDLERS[type(command)].run(self.instance, command)
        return answer
