"""``random_sample``: the last conjunct of a filter, never part of another predicate."""

from __future__ import annotations

from typing import Final

from elanus.expr import nodes
from elanus.expr.binding.scope import Scope, binds_call
from elanus.expr.bound import Always, Sampled
from elanus.expr.syntax import FilterError

NEAREST: Final = 1e-10
"""How near to 0 and 1 a fraction may come."""


@binds_call("random_sample")
def bind_sample(scope: Scope, call: nodes.Call) -> Sampled:
    """Bind ``random_sample(fraction)``; what stands before it in an AND becomes its predicate."""
    if len(call.arguments) != 1 or call.options:
        raise FilterError("sample factor missed: random_sample takes one argument, a float between 0 and 1")
    refusal = '"float factor" should be a const float expression'
    fraction = scope.constant(call.arguments[0], refusal)
    if fraction.template:
        raise FilterError(f"{refusal}, not a template variable")
    if not isinstance(fraction.value, float) or not NEAREST < fraction.value < 1 - NEAREST:
        raise FilterError(
            "the sample factor should be between 0 and 1 and not too close to 0 or 1"
            f"(the difference should be larger than {NEAREST:g}), but got {fraction.value}"
        )
    return Sampled(Always(True), fraction.value)
