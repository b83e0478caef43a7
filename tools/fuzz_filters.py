"""Throw random filters at the parser, the binder and the evaluator for as long as asked.

    python tools/fuzz_filters.py --seconds 600

Each round draws from one family of tests/unit/expr/filter_fuzzing.py with a seed of its own. The first text that
breaks a promise is made as short as it gets, printed with its seed, and ends the run with status 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "unit" / "expr")]

from filter_fuzzing import FAMILIES  # noqa: E402 - found by the path above

EXAMPLES = 500
SETTINGS = settings(
    max_examples=EXAMPLES, deadline=None, database=None, print_blob=False, suppress_health_check=list(HealthCheck)
)


def main() -> int:
    """Run rounds until the time is up; return the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=None, help="the first round's seed, to repeat a run")
    arguments.add_argument("--family", choices=list(FAMILIES), action="append", help="all when not given")
    given_arguments = arguments.parse_args()
    number = random.randrange(2**32) if given_arguments.seed is None else given_arguments.seed
    families = given_arguments.family or list(FAMILIES)
    drawn: Counter[str] = Counter()
    end = time.monotonic() + given_arguments.seconds
    while time.monotonic() < end:
        family = families[number % len(families)]
        print(f"seed {number}: {family}", flush=True)
        strategy, check = FAMILIES[family]
        try:
            seed(number)(SETTINGS(given(strategy)(check)))()
        except BaseException:
            print(f"broken: --seed {number} --family {family!r}", file=sys.stderr)
            raise
        drawn[family] += EXAMPLES
        number += 1
    print(", ".join(f"{count:,} of {family}" for family, count in drawn.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
