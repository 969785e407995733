"""Times several things in turn, so that whatever else the machine does falls on all of them.

Each side is prepared afresh in every round and timed once; rounds go forwards and backwards in
turn. Processor time is what the figures and ratios use: on a shared machine it is much steadier
than the wall clock, which is kept beside it. The garbage collector stays on, as it is in use.
"""

from __future__ import annotations

import gc
import statistics
import time
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "Comparison",
    "Figure",
    "Goal",
    "Scale",
    "Section",
    "Side",
    "interleave",
    "ratios",
    "summary",
]


@frozen
class Scale:
    """How much is measured: `rounds` of everything, and sizes divided by `shrink`."""

    rounds: int = 7
    shrink: int = 1

    def count(self, full: int) -> int:
        """Return a size, divided, but not below ten."""
        return max(full // self.shrink, min(full, 10))

    def goal(self, goal: Goal) -> Goal | None:
        """Return a goal as it is, or None where sizes are not those it was set for."""
        return goal if self.shrink == 1 else None


@frozen
class Goal:
    """What a figure should reach: `at_most` or `at_least`."""

    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        """Say whether a value reaches it."""
        return (self.at_most is None or value <= self.at_most) and (
            self.at_least is None or value >= self.at_least
        )


@frozen
class Side:
    """One of the things compared.

    `prepare` makes fresh state, untimed, and returns the call to time, which does the thing
    `operations` times.
    """

    name: str
    operations: int
    prepare: Callable[[], Callable[[], object]]


@frozen
class Figure:
    """What one side cost for each operation, in nanoseconds, one value a round."""

    side: str
    operations: int
    cpu_ns: tuple[float, ...]
    wall_ns: tuple[float, ...]

    @property
    def per_second(self) -> float:
        """Operations in one second of processor time, by the median."""
        return 1e9 / statistics.median(self.cpu_ns)


@frozen
class Comparison:
    """A statement to check, with one value a round, in `unit`, and the goal, if there is one."""

    claim: str
    values: tuple[float, ...]
    goal: Goal | None = None
    unit: str = "×"

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)


@frozen
class Section:
    """The outcome of one benchmark. `operation` says what is counted, `note` how it was done."""

    title: str
    operation: str
    note: str
    figures: Sequence[Figure] = field(factory=tuple)
    comparisons: Sequence[Comparison] = field(factory=tuple)


def interleave(sides: Iterable[Side], rounds: int) -> dict[str, Figure]:
    """Time every side once a round; return side -> figure."""
    sides = list(sides)
    # side -> (processor, wall) nanoseconds for each operation, a round each
    taken: dict[str, list[tuple[float, float]]] = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            taken[side.name].append(_time(side))
    return {
        side.name: Figure(
            side.name,
            side.operations,
            tuple(cpu for cpu, _ in taken[side.name]),
            tuple(wall for _, wall in taken[side.name]),
        )
        for side in sides
    }


def _time(side: Side) -> tuple[float, float]:
    call = side.prepare()
    gc.collect()
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    call()
    cpu_ns, wall_ns = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    # A clock that ticks coarsely may not have moved: what cannot be told apart from one
    # nanosecond is called that, so that ratios exist.
    return max(cpu_ns, 1) / side.operations, max(wall_ns, 1) / side.operations


def ratios(above: Figure, below: Figure) -> tuple[float, ...]:
    """Return how many times `below` what `above` costs is, in each round."""
    return tuple(a / b for a, b in zip(above.cpu_ns, below.cpu_ns, strict=True))


def summary(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, least and greatest."""
    return statistics.median(values), min(values), max(values)
