"""What the clients of all lives know, and which of it is certain to be on the disk.

An answer (a confirm, `tx.commit-ok`, `declare-ok`…) says that all that its connection had done
before is durable. So an acknowledgement is certain (`gone`) once a later call was answered, and so
is a delivery (`known`): until then a crash may undo it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TypeAlias

from attrs import define, field

from benchmarks.crash.routes import CHAINS, PRIORITIES, QUEUES_OF, UNORDERED, chain_of
from benchmarks.soak.message import identity

__all__ = ["Books", "Message", "Object", "Unit", "kind_of", "priority_in"]

#: Publisher (kind, life and connection, with dots) and number.
Message: TypeAlias = tuple[str, int]
#: What becomes durable as one: messages, each with a chain that it reaches.
Unit: TypeAlias = tuple[tuple[str, Message], ...]
#: "queue" or "exchange" and its name; "binding", exchange, queue, routing key.
Object: TypeAlias = tuple[str, ...]


def _sets() -> defaultdict[str, set[Message]]:
    return defaultdict(set)


@define
class Books:
    """Everything that was sent, and what became of it."""

    counts: Counter[str] = field(factory=Counter)
    # kind of fault -> how it showed, each time
    faults: defaultdict[str, list[str]] = field(factory=lambda: defaultdict(list))
    sent: set[Message] = field(factory=set)
    undone: set[Message] = field(factory=set)
    #: Units of which something may be on the disk -> whether that is certain.
    units: dict[Unit, bool] = field(factory=dict)
    #: chain -> messages whose acknowledgement, or the like, was on its way
    acked: defaultdict[str, set[Message]] = field(factory=_sets)
    #: queue -> messages that are certain to have left it
    gone: defaultdict[str, set[Message]] = field(factory=_sets)
    #: queue -> messages whose delivery is certain
    known: defaultdict[str, set[Message]] = field(factory=_sets)
    #: Whether an object is there; None: a change of it was on its way.
    objects: dict[Object, bool | None] = field(factory=dict)
    # (queue, publisher, priority) -> the last number that came first-hand in this life
    _last: dict[tuple[str, str, int], int] = field(factory=dict)

    def fault(self, kind: str, text: object) -> None:
        """Take note of something that must not be."""
        self.faults[kind].append(str(text))

    def new_life(self) -> None:
        """Forget what one server alone promised."""
        self._last.clear()

    def send(self, *messages: Message) -> Unit:
        """Take note of messages that go out as one: all of them get there, or none."""
        self.sent.update(messages)
        self.counts["sent"] += len(messages)
        unit = tuple((c[0], m) for m in messages for c in CHAINS[kind_of(m)])
        if unit:
            self.units[unit] = False
        return unit

    def confirm(self, unit: Unit) -> None:
        """Take note that the broker has taken them."""
        if unit:
            self.units[unit] = True
        self.counts["confirmed"] += len({message for _, message in unit})

    def undo(self, unit: Unit) -> None:
        """Take note that they were rolled back, or were never committed."""
        del self.units[unit]
        self.undone.update(message for _, message in unit)

    def receive(self, queue: str, body: bytes, redelivered: bool) -> Message:
        """Take note of a delivery.

        Raises:
            ValueError: the body is not as it was sent.

        """
        try:
            message = identity(body)
        except ValueError as error:
            self.fault("a body is not whole", (queue, error))
            raise
        self.counts["redelivered" if redelivered else "received"] += 1
        self.look_at(queue, message, redelivered)
        if not redelivered:
            key = (queue, message[0], priority_in(queue, message))
            before = self._last.get(key, -1)
            if message[1] == before:
                self.fault("twice in one life without being redelivered", (queue, message))
            if message[1] < before and queue not in UNORDERED:
                self.fault("delivered out of order", (queue, message, before))
            self._last[key] = message[1]
        return message

    def look_at(self, queue: str, message: Message, redelivered: bool) -> None:
        """Say what is wrong with a message that is in a queue."""
        if message not in self.sent:
            self.fault("made up", (queue, message))
        if message in self.undone:
            self.fault("there though rolled back", (queue, message))
        if message in self.gone[queue]:
            self.fault("back though its acknowledgement was certain", (queue, message))
        if message in self.known[queue] and not redelivered:
            self.fault("delivered before, and not marked as redelivered", (queue, message))

    def leaving(self, queue: str, *messages: Message) -> None:
        """Take note that messages are about to leave a chain: acknowledged, purged, deleted."""
        self.acked[chain_of(queue)].update(messages)

    def left(self, chain: str, *messages: Message) -> None:
        """Take note that it is certain that messages left a chain."""
        for queue in QUEUES_OF[chain]:
            self.gone[queue].update(messages)

    def messages_in(self, chain: str) -> list[Message]:
        """Return the messages of which some may be in a chain."""
        places = (place for unit in self.units for place in unit)
        return [message for place, message in places if place == chain]


def kind_of(message: Message) -> str:
    """Return what kind of message it is."""
    return message[0].partition(".")[0]


def priority_in(queue: str, message: Message) -> int:
    """Return the priority of a message in a queue."""
    return message[1] % PRIORITIES if queue == "urgent" else 0
