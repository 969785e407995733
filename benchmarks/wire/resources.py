"""What a broker takes beside the load: the time to start, and memory idle and full."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from attrs import frozen

from benchmarks.wire import generator
from benchmarks.wire.brokers import LEVERET, RABBITMQ, Side, leveret_side, log_in, rabbitmq_side

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["Resource", "idle_memory", "memory_of_messages", "start_in_process", "start_times"]

#: Everything from the import to the first byte that a client of the broker reads.
_IN_PROCESS = """
import time; began = time.perf_counter()
import socket, leveret
broker = leveret.Broker()
with broker.serve(port=0) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
    client.sendall(b"AMQP\\0\\0\\x09\\x01"); client.recv(1)
    print((time.perf_counter() - began) * 1000)
"""


@frozen
class Resource:
    """A figure that is smaller the better; RabbitMQ's stands beside it where it has one."""

    name: str
    unit: str
    goal: float
    leveret: tuple[float, ...]
    rabbitmq: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """Leveret's median."""
        return statistics.median(self.leveret)

    @property
    def reached(self) -> bool:
        """Whether leveret's median is within the goal."""
        return self.median <= self.goal


def start_times(folder: Path, rounds: int) -> Resource:
    """Time from starting a process until a client can log in."""
    ours = tuple(_start(lambda: leveret_side(folder)) for _ in range(rounds))
    theirs = tuple(_start(rabbitmq_side) for _ in range(min(rounds, 3)))
    return Resource("start until a client can log in", "ms", 150, ours, theirs)


def _start(side: Callable[[], AbstractContextManager[Side]]) -> float:
    began = time.perf_counter()
    with side() as running:
        while not log_in(running.port):
            time.sleep(0.001)
        return (time.perf_counter() - began) * 1000


def start_in_process(rounds: int) -> Resource:
    """Time from the import to the first byte of a handshake, in one process."""
    times = []
    for _ in range(rounds):
        run = [sys.executable, "-c", _IN_PROCESS]
        times.append(float(subprocess.run(run, capture_output=True, check=True).stdout))
    return Resource("in process, import to first handshake byte", "ms", 20, tuple(times))


def idle_memory(folder: Path, rabbitmq: Side, rounds: int) -> Resource:
    """Read the resident memory of fresh processes that nobody uses."""
    ours = []
    for _ in range(rounds):
        with leveret_side(folder) as side:
            log_in(side.port)
            ours.append(side.resident_mib())
    return Resource("resident memory, idle", "MiB", 35, tuple(ours), (rabbitmq.resident_mib(),))


def memory_of_messages(folder: Path, program: Path, count: int) -> Resource:
    """Read the resident memory with messages of 100 B waiting, each side in a fresh process."""
    found = {}
    for name, side in ((LEVERET, leveret_side(folder)), (RABBITMQ, rabbitmq_side())):
        with contextlib.ExitStack() as stack:
            running = stack.enter_context(side)
            arguments = ["-m", "pub", "-s", "100", "-n", str(count), "-K"]
            generator.run(program, running.port, running.process, arguments)
            found[name] = running.resident_mib()
    name = f"resident memory, {count:,} messages of 100 B waiting"
    goal = 350 * count / 1_000_000
    return Resource(name, "MiB", goal, (found[LEVERET],), (found[RABBITMQ],))
