"""Random conversations go the same way with leveret as with RabbitMQ 3.10.

`LEVERET_COMPARISON_CONVERSATIONS` says how many (default 40); `LEVERET_COMPARISON_SEED`, a number,
has others tried than the usual ones. A difference is reduced to a short script, which
test_scripts_compared.py takes as it is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from judge.conversations import conversation
from judge.reduce import reduce_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.fixtures import Judge
    from judge.run import Difference
    from judge.steps import Step

pytest_plugins = ["judge.fixtures"]

CONVERSATIONS = int(os.environ.get("LEVERET_COMPARISON_CONVERSATIONS", "40"))
SEED = os.environ.get("LEVERET_COMPARISON_SEED")
STEPS = 60
TRIES = 4

seeds = st.lists(st.integers(0, 2**32 - 1), min_size=STEPS, max_size=STEPS)


def usual_or_chosen(test: Any) -> Any:
    """Have Hypothesis draw the usual conversations, or those of the seed in the environment."""
    return seed(int(SEED))(test) if SEED else test


in_process = settings(
    max_examples=CONVERSATIONS,
    derandomize=not SEED,
    database=None,
    deadline=None,
    # Reducing is left to reduce_steps, which knows steps.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: Two clients take their time: fewer conversations.
over_the_wire = settings(in_process, max_examples=max(CONVERSATIONS // 10, 1))


@usual_or_chosen
@in_process
@given(seeds)
def test_a_random_conversation_goes_the_same_way(judge: Judge, seeds: list[int]) -> None:
    hold(judge, conversation(seeds, STEPS))


@usual_or_chosen
@over_the_wire
@given(seeds)
def test_a_random_conversation_goes_the_same_way_over_the_wire(
    wire_judge: Judge, seeds: list[int]
) -> None:
    hold(wire_judge, conversation(seeds, STEPS))


def hold(judge: Judge, steps: Sequence[Step]) -> None:
    difference = lasting(judge, steps)
    if difference is not None:
        raise reduced(judge, difference)


def lasting(judge: Judge, steps: Sequence[Step]) -> Difference | None:
    """Return a difference that shows each time.

    RabbitMQ's processes race one another, so that it does not always do the same itself; leveret,
    which does, is right when RabbitMQ does as it does at least now and then.
    """
    for _ in range(TRIES):
        difference = judge.difference(steps)
        if difference is None:
            return None
    return difference


def reduced(judge: Judge, difference: Difference) -> Difference:
    """Return the difference in the shortest conversation found that shows one."""
    found = [difference]

    def fails(steps: list[Step]) -> bool:
        again = lasting(judge, steps)
        if again is not None:
            found.append(again)
        return again is not None

    reduce_steps(difference.steps, fails)
    return found[-1]
