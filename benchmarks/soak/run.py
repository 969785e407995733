"""The run: six clients, killed, told to leave, or stopped for a while, and each started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pika
from attrs import define, field

from benchmarks.soak.ledger import Ledger
from benchmarks.soak.message import identity
from benchmarks.soak.roles import REACHED, ROLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from benchmarks.soak.server import WatchedServer

__all__ = ["Run"]

#: How long a client is left alone before the next disturbance, in seconds.
UNDISTURBED_S = (4.0, 16.0)
#: How long a client is gone, and how long one is stopped in its tracks, in seconds.
AWAY_S, STOPPED_S = (0.0, 4.0), (1.0, 10.0)
SAMPLE_EVERY_S = 1.0
#: How long the last messages and the last clients may take, in seconds.
DRAINS_IN_S, LEAVES_IN_S = 120.0, 60.0

QUEUES = (*{queue for queues in REACHED.values() for queue in queues}, "rejected", "delayed")


@define(eq=False)
class Run:
    """Keeps the clients of a server going, after a fashion. One seed makes the same choices."""

    server: WatchedServer
    ledgers: Path
    random: Random
    seed: str
    rate: float
    tell: Callable[[str], object]
    #: What was done to clients.
    disturbances: Counter[str] = field(factory=Counter, init=False)
    #: What went wrong with them.
    faults: list[str] = field(factory=list, init=False)
    _clients: dict[str, subprocess.Popen[bytes]] = field(factory=dict, init=False)
    _incarnations: Counter[str] = field(factory=Counter, init=False)

    def go(self, minutes: float) -> None:
        """Run for so long; then let everything drain."""
        # clients that have not installed their handler yet inherit this, and live
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        idle = self.server.sample().descriptors
        for role in ROLES:
            self._start(role)
        ends = time.monotonic() + minutes * 60
        try:
            while time.monotonic() < ends:
                self._wait(self.random.uniform(*UNDISTURBED_S))
                self._disturb()
            self._finish()
        finally:
            for client in self._clients.values():
                client.kill()
        self._drain()
        self._expect(
            lambda: self.server.sample().descriptors <= idle, "descriptors are left open", 10
        )

    def _start(self, role: str) -> None:
        self._incarnations[role] += 1
        command = [sys.executable, "-m", "benchmarks.soak.client", role]
        command += ["--port", str(self.server.port), "--ledgers", str(self.ledgers)]
        command += ["--incarnation", str(self._incarnations[role]), "--seed", self.seed]
        self._clients[role] = subprocess.Popen([*command, "--rate", str(self.rate)])

    def _wait(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(SAMPLE_EVERY_S)
            self.server.sample()

    def _disturb(self) -> None:
        role = self.random.choice(list(ROLES))
        kind = self.random.choice(("killed", "killed", "told to leave", "stopped for a while"))
        away_s = self.random.uniform(*(STOPPED_S if kind == "stopped for a while" else AWAY_S))
        client = self._clients[role]
        if client.poll() is not None:
            self.faults.append(f"{role} had ended by itself, with {client.returncode}")
        self.disturbances[kind] += 1
        self.tell(f"{role} {kind}, for {away_s:.1f} s")
        match kind:
            case "killed":
                client.kill()
                client.wait()
            case "told to leave":
                client.terminate()
                self._left(role, client)
            case _:
                client.send_signal(signal.SIGSTOP)
        self._wait(away_s)
        if kind == "stopped for a while":
            client.send_signal(signal.SIGCONT)
        else:
            self._start(role)

    def _finish(self) -> None:
        """Let publishers end, then queues drain, then everybody leave."""
        with pika.BlockingConnection(self._parameters()) as connection:
            channel = connection.channel()

            def drained() -> bool:
                self.server.sample()
                for client in self._clients.values():  # again and again: one may be starting
                    client.send_signal(signal.SIGUSR1)
                counts = (channel.queue_declare(queue, passive=True) for queue in QUEUES)
                return not any(declared.method.message_count for declared in counts)

            self._expect(drained, "queues do not drain", DRAINS_IN_S)
        for client in self._clients.values():
            client.terminate()
        for role, client in self._clients.items():
            self._left(role, client)

    def _left(self, role: str, client: subprocess.Popen[bytes]) -> None:
        try:
            status = client.wait(LEAVES_IN_S)
        except subprocess.TimeoutExpired:
            client.send_signal(signal.SIGABRT)
            status = client.wait()
        if status not in (0, -signal.SIGTERM):  # the latter where it was about to start
            self.faults.append(f"{role}, told to leave, ended with {status}")

    def _expect(self, condition: Callable[[], bool], otherwise: str, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > ends:
                self.faults.append(otherwise)
                return
            time.sleep(0.5)

    def _drain(self) -> None:
        """Take what consumers had not acknowledged when they left."""
        with (
            Ledger(self.ledgers / "drain.txt") as ledger,
            pika.BlockingConnection(self._parameters()) as connection,
        ):
            channel = connection.channel()
            for queue in QUEUES:
                while True:
                    method, _, body = channel.basic_get(queue, auto_ack=True)
                    if method is None:
                        break
                    ledger.note("received", queue, *identity(body), int(method.redelivered))

    def _parameters(self) -> pika.ConnectionParameters:
        return pika.ConnectionParameters("127.0.0.1", self.server.port)
