"""What a test waits for until it has a broker: the test kit's, beside a RabbitMQ of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.measure import Comparison, Figure, Goal, Scale, Section, Side, interleave
from benchmarks.startup import children_cpu_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.testing import Amqp

__all__ = ["run"]

_FIRST = "amqp, first of a process, after import"
_SOCKET, _HOST = (
    "amqp, a socket of its own",
    "amqp, a fresh virtual host behind the session's socket",
)
_RESET, _IDLE = "amqp.reset()", "amqp.wait_idle(), nothing in flight"
_RABBITMQ = "RabbitMQ, until a client can log in"

_PROGRAM = """
import time
from leveret.testing import Amqp, Settings
wall, cpu = time.perf_counter_ns(), time.process_time_ns()
amqp = Amqp(Settings())
print(time.process_time_ns() - cpu, time.perf_counter_ns() - wall)
amqp.close()
"""


def run(scale: Scale) -> Section:
    figures = _made(scale) | _used(scale)
    figures[_FIRST] = _figure(_FIRST, [_first_of_a_process() for _ in range(scale.rounds)])
    note = "Making alone; letting go is not timed. RabbitMQ's processor time is that of its life."
    if scale.shrink == 1 and (starts := _rabbitmq_starts(scale.rounds)):
        figures[_RABBITMQ] = _figure(_RABBITMQ, starts)
    else:
        note += " It was left out: sizes are divided, or it is not installed."
    goals = {_FIRST: Goal(at_most=20), _SOCKET: Goal(at_most=20), _HOST: Goal(at_most=1)}
    comparisons = [
        Comparison(f"{name}: processor time", _ms(figures[name].cpu_ns), scale.goal(goal), "ms")
        for name, goal in goals.items()
    ]
    if _RABBITMQ in figures:
        slow, quick = figures[_RABBITMQ].wall_ns, figures[_SOCKET].wall_ns
        times = tuple(a / b for a, b in zip(slow, quick, strict=True))
        comparisons.append(Comparison("RabbitMQ's start over a socket of its own, wall", times))
    return Section(
        "The test kit: until a broker is there",
        "broker",
        note,
        tuple(figures.values()),
        comparisons,
    )


def _made(scale: Scale) -> dict[str, Figure]:
    """Time the making of brokers that are kept until the round is over."""
    from leveret.testing import Amqp, Settings
    from leveret.testing.core import Listening

    made: list[Amqp] = []
    listening = Listening()

    def let_go() -> None:
        while made:
            made.pop().close()

    def sockets() -> Callable[[], object]:
        let_go()
        count = scale.count(50)
        return lambda: made.extend([Amqp(Settings()) for _ in range(count)])

    def hosts() -> Callable[[], object]:
        let_go()
        count, settings = scale.count(200), Settings(server="session")
        return lambda: made.extend([Amqp(settings, listening) for _ in range(count)])

    sides = [Side(_SOCKET, scale.count(50), sockets), Side(_HOST, scale.count(200), hosts)]
    try:
        return interleave(sides, scale.rounds)
    finally:
        let_go()
        listening.down()


def _used(scale: Scale) -> dict[str, Figure]:
    from leveret.testing import server

    count = scale.count(200)
    with server() as amqp:

        def side(name: str, call: Callable[[], object]) -> Side:
            return Side(name, count, lambda: lambda: [call() for _ in range(count)])

        return interleave([side(_RESET, amqp.reset), side(_IDLE, amqp.wait_idle)], scale.rounds)


def _first_of_a_process() -> tuple[int, int]:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True)
    cpu_ns, wall_ns = map(int, done.stdout.split())
    return cpu_ns, wall_ns


def _rabbitmq_starts(rounds: int) -> list[tuple[int, int]]:
    """Start a private RabbitMQ so often; return nothing where there is none."""
    try:
        from judge.node import find_server, private_node
    except ImportError:  # python -m benchmarks without tests/comparison on the path
        return []
    if find_server() is None:
        return []
    taken = []
    for _ in range(rounds):
        with contextlib.ExitStack() as stack:
            before, began = children_cpu_s(), time.perf_counter_ns()
            stack.enter_context(private_node())
            wall_ns = time.perf_counter_ns() - began
        taken.append((round((children_cpu_s() - before) * 1e9), wall_ns))
    return taken


def _figure(name: str, taken: list[tuple[int, int]]) -> Figure:
    return Figure(name, 1, tuple(cpu for cpu, _ in taken), tuple(wall for _, wall in taken))


def _ms(nanoseconds: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(ns / 1e6 for ns in nanoseconds)
