"""Random operations on the database and on a dictionary with numpy: every answer agrees.

``MODEL_EXAMPLES=500`` draws that many fresh runs instead of the fixed few. A failing run leaves its trace.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from model_machine import ModelMachine
from model_machines import ClientMachine, EngineMachine

FRESH = int(os.environ.get("MODEL_EXAMPLES", "0"))


def run(machine: type[ModelMachine], examples: int, steps: int) -> None:
    """Run the machine; the same examples every time unless fresh ones are asked for.

    No shrinking: the background makes runs differ, and the trace replays what happened.
    """
    chosen = settings(
        max_examples=FRESH or examples,
        stateful_step_count=steps,
        derandomize=not FRESH,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_engine_agrees_with_a_dictionary_over_random_histories() -> None:
    run(EngineMachine, examples=150, steps=40)


def test_client_agrees_with_a_dictionary_over_random_histories() -> None:
    run(ClientMachine, examples=25, steps=30)
