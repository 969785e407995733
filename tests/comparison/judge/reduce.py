"""Makes a conversation that shows a difference as small as it gets, and still show one.

First steps go, in ever smaller runs, then arguments. Each try is a run on both sides, so the
number of tries is limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from judge.steps import Step

__all__ = ["reduce_steps"]

MAX_TRIES = 400


def reduce_steps(steps: Sequence[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Return the smallest conversation found that `fails` still holds for."""
    smallest, tries = list(steps), 0
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(smallest):
            tries += 1
            if tries > MAX_TRIES:
                return smallest
            if fails(candidate):
                smallest, progress = candidate, True
                break
    return smallest


def _smaller(steps: list[Step]) -> Iterator[list[Step]]:
    run = len(steps) // 2
    while run:
        # The last steps tend to be the ones that matter: begin with the first.
        for start in range(0, len(steps) - run + 1, run):
            yield steps[:start] + steps[start + run :]
        run //= 2
    for index, step in enumerate(steps):
        for simpler in _simpler(step):
            yield [*steps[:index], simpler, *steps[index + 1 :]]


def _simpler(step: Step) -> Iterator[Step]:
    optional = [n for n in step.arguments if n in OPTIONAL]
    for name in optional:
        yield evolve(step, arguments={k: v for k, v in step.arguments.items() if k != name})
    for name, value in step.arguments.items():
        if isinstance(value, dict):
            for key in value:
                rest = {k: v for k, v in value.items() if k != key}
                yield evolve(step, arguments={**step.arguments, name: rest})


OPTIONAL = (
    *("durable", "exclusive", "auto_delete", "internal", "arguments", "properties", "mandatory"),
    *("auto_ack", "multiple", "requeue", "if_unused", "if_empty", "global_qos"),
)
