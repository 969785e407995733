"""A random conversation with a broker that has a directory, and what its commits promised.

The broker in memory is its own model: when a group is durable, what is durable of it is noted as
values. After a crash, which loses all that was gathered since, the broker that comes back has to
show these values, in order.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

from attrs import define, field

from leveret import Broker, ManualClock, Properties
from leveret.fields import encode_short_string
from leveret.header import encode_header
from leveret.queues import Message, stream_log
from leveret.queues.stream import StreamQueue
from leveret.storage import Storage, journal, paging, storage, stream_store
from leveret.wire.content import Address, WireRun

if TYPE_CHECKING:
    import pytest

    from leveret.engine import Channel
    from leveret.queues import QueuedMessage

__all__ = ["QUEUES", "STEPS", "Kept", "World", "reach_what_is_rare", "seen_in"]

#: name -> arguments
QUEUES: dict[str, dict[str, Any]] = {
    "plain": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
    "dead": {},
    "short": {"x-max-length": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
    "ttl": {
        "x-message-ttl": 50,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "plain",
    },
    "quorum": {"x-queue-type": "quorum", "x-delivery-limit": 2},
    "priorities": {"x-max-priority": 3},
    "stream": {
        "x-queue-type": "stream",
        "x-stream-max-segment-size-bytes": 500,
        "x-max-length-bytes": 1500,
    },
}
#: Stands for what is in no queue yet.
HELD = "(held)"
#: What is done -> how often, beside the others.
STEPS = {
    "publish": 30,
    "publish run": 12,
    "consume": 4,
    "cancel": 2,
    "fan out": 5,
    "hold": 6,
    "ack and hold": 4,
    "cancel held": 2,
    "get": 20,
    "ack": 8,
    "ack all": 3,
    "requeue": 4,
    "reject": 4,
    "purge": 1,
    "delete": 1,
    "wait": 4,
    "page out": 8,
    "commit": 10,
    "seal": 8,
    "crash": 3,
}


@define(frozen=True)
class Kept:
    """What has to come back of one message."""

    body: bytes
    headers: str
    redelivered: bool | None
    deliveries: int
    expires_at_ms: int | None


@define
class World:
    """A broker, its directory, and what its last commit promised."""

    directory: str
    clock: ManualClock = field(factory=ManualClock)
    broker: Broker = field(init=False)
    storage: Storage = field(init=False)
    channel: Channel = field(init=False)
    promised: dict[str, list[Kept]] = field(factory=dict)
    consumers: list[str] = field(factory=list)
    committed_ms: int = 0
    published: int = 0

    def begin(self) -> None:
        """Declare what all conversations are about."""
        self.open()
        for name in QUEUES:
            self.declare(name)
        self.commit()

    def open(self) -> None:
        self.broker = Broker(clock=self.clock)
        self.storage = Storage.open(self.broker, self.directory)
        # What dies here is a process, not the machine.
        self.storage.database._sql.execute("PRAGMA synchronous=OFF")
        self.channel = self.broker.channel()
        self.consumers = []

    def declare(self, name: str) -> None:
        self.broker.exchange_declare("all", "fanout", durable=True)
        self.broker.queue_declare(name, arguments=QUEUES[name])
        self.broker.queue_bind(name, "all")

    def step(self, what: str, name: str, number: int) -> None:
        if name not in self.broker.virtual_hosts["/"].queues:
            self.declare(name)
        tags = [*self.channel._unacked]
        for run in self.channel._held_runs:
            tags += range(run.first_tag, run.end_tag)
        tag = tags[number % len(tags)] if tags else 0
        match what:
            case "publish":
                for _ in range(number % 3 + 1):
                    mode = 1 if number > 95 else 2
                    self.publish("", name, Properties(delivery_mode=mode, priority=number % 4))
            case "publish run":
                self.publish_run("all" if number < 20 else "", name, number)
            case "consume" | "get" if name == "stream":
                self.channel.basic_qos(prefetch_count=number % 5 + 1)
                offset = ("first", "next", "last", number // 2)[number % 4]
                arguments = {"x-stream-offset": offset, "x-stream-group": f"g{number % 3}"}
                consumer = self.channel.basic_consume(name, lambda *_: None, arguments=arguments)
                self.consumers.append(consumer)
            case "consume" if name not in ("ttl", "short"):
                self.channel.basic_qos(prefetch_count=number % 5 + 1)
                self.consumers.append(self.channel.basic_consume(name, lambda *_: None))
            case "cancel" if self.consumers:
                self.channel.basic_cancel(self.consumers.pop())
            case "fan out":
                self.publish("all", "", Properties(delivery_mode=2, headers={"n": number}))
            case "get":
                # What dies in a consumer's hands would die in the moment of coming back.
                self.channel.basic_get(name, auto_ack=name in ("ttl", "short"))
            case "ack" if tag:
                self.channel.basic_ack(tag)
            case "ack all" if tag:
                self.channel.basic_ack(tag, multiple=True)
            case "requeue" if tag:
                self.channel.basic_nack(tag)
            case "reject" if tag:
                self.channel.basic_reject(tag, requeue=False)
            case "hold":
                self.hold(name if number % 3 else None, name, number)
            case "ack and hold" if tag:
                self.channel.basic_ack(tag)
                self.hold(name, "nobody", number)
            case "cancel held":
                delays = self.broker.virtual_hosts["/"].delays
                for held in [*delays][number % 4 :: 4]:
                    assert delays.cancel(held.id)
            case "purge" if name != "stream":
                self.broker.queue_purge(name)
            case "delete":
                self.broker.queue_delete(name)
            case "wait":
                self.clock.advance(ms=number)
            case "page out":
                self.storage.relieve(0)
            case "seal":
                self.storage.seal()
            case "commit":
                self.commit()
            case "crash":
                self.crash()
        self.broker.check()
        self.storage.journal.check()

    def publish(self, exchange: str, routing_key: str, properties: Properties) -> None:
        self.published += 1
        body = str(self.published).encode() * (self.published % 7)
        self.broker.basic_publish(exchange, routing_key, body, properties)

    def hold(self, queue: str | None, routing_key: str, number: int) -> None:
        """Hold a message back, to go into a queue or through the default exchange."""
        self.published += 1
        properties = Properties(delivery_mode=1 if number > 90 else 2, headers={"n": number})
        message = Message("", routing_key, properties, str(self.published).encode())
        due_ms = self.clock.now_ms() + number
        self.broker.virtual_hosts["/"].delays.hold(message, due_ms, queue=queue)

    def publish_run(self, exchange: str, routing_key: str, number: int) -> None:
        """Publish some messages as a client's socket brings them."""
        contents, sizes = [], []
        for at in range(number % 6 + 2):
            self.published += 1
            body = str(self.published).encode() * (self.published % 4)
            mode = 1 if number % 10 == 0 or (number % 10 == 1 and at % 2) else 2
            header = encode_header(Properties(delivery_mode=mode), len(body))
            content = _frame(2, header) + (_frame(3, body) if body else b"")
            contents.append(content)
            sizes.append(len(body))
        address = encode_short_string(exchange) + encode_short_string(routing_key)
        run = WireRun(1, contents, sizes, [Address(exchange, routing_key, address, False, False)])
        self.channel.publish_run(run)

    def commit(self) -> None:
        self.storage.flush()
        self.committed_ms = self.clock.now_ms()
        self.promised = self.seen()

    def seen(self) -> dict[str, list[Kept]]:
        """Return what is durable of each queue, and held, in order."""
        held = [*self.channel._unacked.values()]
        for run in self.channel._held_runs:
            held += run.entries()
        return seen_in(self.broker, held)

    def crash(self) -> None:
        """Lose what was not written, and see what comes back at the time of the last commit."""
        self.storage.database.close()
        self.clock = ManualClock(self.committed_ms)
        self.open()
        assert self.seen() == self.promised
        self.commit()
        assert self.seen() == self.promised


def reach_what_is_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have compaction come soon, and runs be a few messages."""
    monkeypatch.setattr(journal, "COMPACT_FROM", 300)
    monkeypatch.setattr(journal, "COMPACT_STEP", 20)
    monkeypatch.setattr(journal, "COMPACT_EVERY", 2)
    monkeypatch.setattr(paging, "RUN_MESSAGES", 2)
    monkeypatch.setattr(storage, "KEEP_MESSAGES", 1)
    monkeypatch.setattr(stream_store, "CHUNK_MESSAGES", 2)
    monkeypatch.setattr(stream_log, "CHUNK_MESSAGES", 3)
    monkeypatch.setattr(stream_log, "KEEP_CHUNKS", 1)


def seen_in(broker: Broker, held: list[QueuedMessage]) -> dict[str, list[Kept]]:
    """Return what is durable of each queue, in order; `held` is what was delivered.

    What is held back until a time stands under `HELD`, with its id as `deliveries`.
    """
    found = {}
    for name, queue in broker.virtual_hosts["/"].queues.items():
        if isinstance(queue, StreamQueue):
            found[name] = _kept_of_a_stream(queue)
            continue
        out = [(entry, True) for entry in held if entry.queue is queue]
        entries = [*((entry, False) for entry in queue.ready), *out]
        entries.sort(key=lambda pair: pair[0].position)
        found[name] = [_kept(e, is_out=is_out) for e, is_out in entries if e.stored]
    delayed = [
        Kept(held.message.body, f"{held.queue} {held.exchange}", None, held.id, held.due_ms)
        for held in broker.virtual_hosts["/"].delays
        if held.message.is_persistent
    ]
    return found | ({HELD: delayed} if delayed else {})


def _kept_of_a_stream(stream: StreamQueue) -> list[Kept]:
    """Return all messages with their offsets, and the stored offsets of its groups."""
    messages = [
        Kept(message.body, repr(message.properties.headers), None, offset, None)
        for offset, message in stream.log
    ]
    groups = sorted(stream.groups, key=lambda group: group.name)
    return messages + [Kept(b"", group.name, None, group.offset, None) for group in groups]


def _frame(kind: int, payload: bytes) -> bytes:
    return pack(">BHI", kind, 1, len(payload)) + payload + b"\xce"


def _kept(entry: QueuedMessage, *, is_out: bool) -> Kept:
    # Positions are told apart by one mark a queue: with priorities, what was never delivered may
    # come back as if it had been.
    is_exact = entry.queue.settings.max_priority is None
    return Kept(
        entry.message.body,
        repr(entry.message.properties.headers),
        (entry.redelivered or is_out) if is_exact else None,
        entry.delivery_count,
        entry.expires_at_ms,
    )
