"""One job of a client process: what it is told, its pace, and its choices."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from benchmarks.soak.message import body_of, identity, priority_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from benchmarks.soak.ledger import Ledger

__all__ = ["Consume", "Job", "Publish", "Work"]


@frozen
class Publish:
    """Messages to send: where, how many a second, how large, how they are made sure of."""

    exchange: str
    routing_key: str
    #: Messages a second at rate 1.
    per_second: float
    #: Sizes are chosen between these, in bytes; small ones more often.
    smallest: int = 10
    largest: int = 2000
    priorities: bool = False
    expire: bool = False
    persistent: bool = True


@frozen
class Consume:
    """A queue to take from; what is done with its messages beside acknowledging them."""

    queue: str
    prefetch: int = 20
    #: Shares of messages that are put back, and that are rejected for good.
    requeue: float = 0.0
    reject: float = 0.0


@frozen
class Work:
    """What a library does for a job: runs until told to stop."""

    run: Callable[[Job], None]
    task: Publish | Consume | None = None


@define(eq=False, slots=False)
class Job:
    """One thread of one client process, with a connection of its own."""

    name: str
    host: str
    port: int
    ledger: Ledger
    task: Publish | Consume | None
    seed: str
    rate: float
    #: Publish no more; and: leave.
    quiet: threading.Event
    stop: threading.Event
    random: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.random = random.Random(f"{self.seed} {self.name}")

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"amqp://guest:guest@{self.host}:{self.port}/"

    # -- publishing

    @property
    def publish(self) -> Publish:
        """The job's task, when it publishes."""
        assert isinstance(self.task, Publish)
        return self.task

    def messages(self) -> Iterator[tuple[int, str, bytes]]:
        """Give number, routing key and body of each message at its time, until it is enough."""
        task = self.publish
        for number in self.numbers(task.per_second):
            share = self.random.random() ** 3
            size = int(task.smallest + share * (task.largest - task.smallest))
            key = task.routing_key.replace("*", str(self.random.randrange(50)))
            yield number, key, body_of(self.name, number, size)

    def numbers(self, per_second: float) -> Iterator[int]:
        """Count, so many a second."""
        number = 0
        due = time.monotonic()
        while not self.quiet.wait(max(due - time.monotonic(), 0)):
            yield number
            number += 1
            # who was held up does not make up for it all at once
            due = max(due, time.monotonic() - 1) + 1 / (per_second * self.rate)

    def sent(self, number: int) -> None:
        """Note that a message goes out."""
        self.ledger.note("sent", self.name, number)

    def confirmed(self, *numbers: int) -> None:
        """Note that the broker has messages."""
        self.ledger.notes([("confirmed", self.name, number) for number in numbers])

    def properties(self, number: int) -> dict[str, object]:
        """Return a message's properties by AMQP's names."""
        task = self.publish
        found: dict[str, object] = {"message_id": f"{self.name}-{number}"}
        if task.persistent:
            found["delivery_mode"] = 2
        if task.priorities:
            found["priority"] = priority_of(number)
        if task.expire:
            found["expiration"] = str(self.random.choice((1, 20, 200, 1000, 100_000)))
        return found

    # -- consuming

    @property
    def consume(self) -> Consume:
        """The job's task, when it consumes."""
        assert isinstance(self.task, Consume)
        return self.task

    def received(self, body: bytes, redelivered: bool) -> str:
        """Note a message; say what to do with it: "ack", "requeue" or "reject"."""
        task = self.consume
        try:
            publisher, number = identity(body)
        except ValueError as error:
            self.ledger.note("fault", task.queue, error)
            return "ack"
        self.ledger.note("received", task.queue, publisher, number, int(redelivered))
        chance = self.random.random()
        if chance < task.requeue:
            return "requeue"
        if chance < task.requeue + task.reject:
            self.ledger.note("rejected", publisher, number)
            return "reject"
        return "ack"
