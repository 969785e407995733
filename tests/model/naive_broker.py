"""Queues, channels and dead-lettering as plain lists: what the broker is compared with.

Everything is searched, sorted and copied anew whenever it is needed, so that each rule can be read
off: the rules are those of RabbitMQ's `rabbit_amqqueue_process`, `rabbit_queue_consumers` and
`rabbit_dead_letter`. Nothing here comes from the code under test.

Where RabbitMQ leaves the order open (two queues whose heads expire at the same instant, the queues
that a closed channel gives its messages back to), an operation gives every world that may be.
"""

from __future__ import annotations

import copy
import datetime
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import define, evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

How: TypeAlias = Literal["ack", "reject", "nack_requeue", "reject_requeue"]

#: A direct exchange to which every queue is bound by its name, as it is to the default exchange.
BY_NAME = "by-name"

_NEVER = 1 << 62


@frozen
class Spec:
    """What a queue is declared with."""

    quorum: bool = False
    max_priority: int | None = None
    ttl: int | None = None
    max_length: int | None = None
    max_bytes: int | None = None
    overflow: str = "drop-head"
    dead_letter_exchange: str | None = None
    dead_letter_key: str | None = None
    delivery_limit: int = 0
    single: bool = False

    def arguments(self) -> dict[str, Any]:
        arguments = {
            "x-queue-type": "quorum" if self.quorum else "classic",
            "x-max-priority": self.max_priority,
            "x-message-ttl": self.ttl,
            "x-max-length": self.max_length,
            "x-max-length-bytes": self.max_bytes,
            "x-overflow": self.overflow,
            "x-dead-letter-exchange": self.dead_letter_exchange,
            "x-dead-letter-routing-key": self.dead_letter_key,
            "x-delivery-limit": self.delivery_limit if self.quorum else None,
            "x-single-active-consumer": self.single or None,
        }
        return {name: value for name, value in arguments.items() if value is not None}


@define(eq=False)
class Letter:
    """A message in one queue."""

    body: bytes
    exchange: str
    key: str
    priority: int | None
    expiration: str | None
    headers: dict[str, Any] = field(factory=dict)
    order: int = 0
    expires_at: int | None = None
    redelivered: bool = False
    returns: int = 0
    returned_as: int = 0
    consumer: Subscriber | None = None

    def shown(self) -> tuple[object, ...]:
        """Return what can be seen of it from outside."""
        return (self.body, self.exchange, self.key, self.priority, self.expiration, self.headers)

    def deaths(self) -> list[dict[str, Any]]:
        return list(self.headers.get("x-death", []))

    def dead(self, queue: str, reason: str, now_ms: int) -> Letter:
        """Return it as it leaves a queue that it died in (S102–S106)."""
        where = {"reason": reason, "queue": queue, "exchange": self.exchange}
        entry: dict[str, Any] = {
            **where,
            "count": 1,
            "time": datetime.datetime.fromtimestamp(now_ms // 1000, tz=datetime.UTC),
            "routing-keys": [self.key],
        }
        if self.expiration is not None:
            entry["original-expiration"] = self.expiration
        again = [d for d in self.deaths() if (d["queue"], d["reason"]) == (queue, reason)]
        older = [death for death in self.deaths() if death not in again]
        for death in again:
            entry = death | {"count": death["count"] + 1}
        headers: dict[str, Any] = {f"x-first-death-{name}": value for name, value in where.items()}
        headers |= self.headers
        headers |= {f"x-last-death-{name}": value for name, value in where.items()}
        headers["x-death"] = [entry, *older]
        return Letter(self.body, self.exchange, self.key, self.priority, None, headers)

    def would_circle(self, reason: str, target: str) -> bool:
        """Say whether it, dead, may not enter `target` (S110–S112)."""
        queues = [death["queue"] for death in self.deaths()]
        if reason == "rejected" or target not in queues:
            return False
        since = self.deaths()[: queues.index(target) + 1]
        return all(death["reason"] != "rejected" for death in since)


@define(eq=False)
class Subscriber:
    """A consumer."""

    channel: int
    tag: str
    priority: int
    prefetch: int
    auto_ack: bool
    unacked: int = 0

    def can_take(self) -> bool:
        return self.auto_ack or not self.prefetch or self.unacked < self.prefetch


@define(eq=False)
class NaiveQueue:
    """A queue: ready letters in order of delivery, consumers in line and out of it."""

    name: str
    spec: Spec
    ready: list[Letter] = field(factory=list)
    line: list[Subscriber] = field(factory=list)
    blocked: list[Subscriber] = field(factory=list)
    active: Subscriber | None = None
    unacked: list[Letter] = field(factory=list)
    # what happened -> how many messages it happened to
    counts: Counter[str] = field(factory=Counter)
    deleted: bool = False

    def sort(self) -> None:
        self.ready.sort(key=self._place)

    def _place(self, letter: Letter) -> tuple[int, int]:
        if self.spec.quorum:
            return (0, letter.returned_as) if letter.returned_as else (1, letter.order)
        cap = self.spec.max_priority or 0
        return (-min(letter.priority or 0, cap), letter.order)

    def size(self) -> int:
        return sum(len(letter.body) for letter in self.ready)

    def over(self, more: int = 0, bytes_more: int = 0) -> bool:
        spec = self.spec
        too_many = spec.max_length is not None and len(self.ready) + more > spec.max_length
        return too_many or (
            spec.max_bytes is not None and self.size() + bytes_more > spec.max_bytes
        )

    def consumers(self) -> list[Subscriber]:
        return self.line + self.blocked

    def by_priority(self) -> list[Subscriber]:
        return sorted(self.line, key=lambda consumer: -consumer.priority)

    def turn(self) -> Subscriber | None:
        """Return who gets the next letter (S83, S84)."""
        if self.spec.single:
            return self.active if self.active and self.active.can_take() else None
        while self.line:
            consumer = self.by_priority()[0]
            self.line.remove(consumer)
            if consumer.can_take():
                self.line.append(consumer)
                return consumer
            self.blocked.append(consumer)
        return None

    def unblock(self, consumer: Subscriber | None) -> None:
        if consumer in self.blocked and consumer is not None and consumer.can_take():
            self.blocked.remove(consumer)
            self.line.append(consumer)

    def leave(self, consumers: list[Subscriber]) -> None:
        """Let consumers go; a single active one is succeeded by the next in line (S84)."""
        self.line = [consumer for consumer in self.line if consumer not in consumers]
        self.blocked = [consumer for consumer in self.blocked if consumer not in consumers]
        if self.active in consumers:
            self.active = next(iter(self.by_priority()), None)


@define(eq=False)
class NaiveChannel:
    """A channel: what it was given and has not settled."""

    next_tag: int = 1
    # delivery tag -> letter and the queue it came from
    unacked: dict[int, tuple[Letter, NaiveQueue]] = field(factory=dict)
    # consumer tag -> consumer and its queue
    consumers: dict[str, tuple[Subscriber, NaiveQueue]] = field(factory=dict)

    def give(self, letter: Letter, queue: NaiveQueue, auto_ack: bool) -> int:
        tag, self.next_tag = self.next_tag, self.next_tag + 1
        queue.counts["delivered"] += 1
        queue.counts["redelivered"] += letter.redelivered
        if auto_ack:
            queue.counts["acked"] += 1
        else:
            queue.unacked.append(letter)
            self.unacked[tag] = (letter, queue)
        return tag


@define(eq=False)
class NaiveBroker:
    """One world."""

    now_ms: int
    nack_counts: bool
    queues: dict[str, NaiveQueue] = field(factory=dict)
    channels: dict[int, NaiveChannel] = field(factory=dict)
    # What clients were told since the last look.
    told: list[tuple[object, ...]] = field(factory=list)
    _dying: list[tuple[NaiveQueue, Letter, str]] = field(factory=list)
    _returns: int = 0

    # -- queues

    def declare(self, name: str, spec: Spec) -> None:
        self.queues[name] = NaiveQueue(name, spec)

    def purge(self, name: str) -> int:
        """Drop what is ready; nothing of it is dead-lettered (S115)."""
        queue = self.queues[name]
        count = len(queue.ready)
        queue.counts["purged"] += count
        queue.ready.clear()
        return count

    def delete(self, name: str) -> int:
        count = self.purge(name)
        queue = self.queues.pop(name)
        queue.deleted = True
        for channel in self.channels.values():
            for tag, (_, of) in list(channel.consumers.items()):
                if of is queue:
                    del channel.consumers[tag]
        return count

    # -- publishing

    def publish(
        self, exchange: str, key: str, body: bytes, priority: int | None, expiration: str | None
    ) -> None:
        if key in self.queues:
            self._arrive(self.queues[key], Letter(body, exchange, key, priority, expiration))
        self._bury()

    def _arrive(self, queue: NaiveQueue, letter: Letter) -> None:
        if queue.spec.overflow != "drop-head" and queue.over(1, len(letter.body)):
            queue.counts["refused"] += 1
            if queue.spec.overflow == "reject-publish-dlx":
                queue.counts["published"] += 1
                self._die(queue, letter, "maxlen")
            return
        queue.counts["published"] += 1
        letter.order = queue.counts["published"]
        lives = [queue.spec.ttl, None if letter.expiration is None else int(letter.expiration)]
        times = [life for life in lives if life is not None]
        letter.expires_at = self.now_ms + min(times) if times else None
        consumer = None if queue.ready else queue.turn()
        if consumer is not None:
            self._deliver(queue, letter, consumer)
            return
        queue.ready.append(letter)
        queue.sort()
        if self._drop_head(queue) or letter.expires_at is not None:
            self._expire(queue)

    def _drop_head(self, queue: NaiveQueue) -> bool:
        dropped = False
        while queue.spec.overflow == "drop-head" and queue.ready and queue.over():
            self._die(queue, queue.ready.pop(0), "maxlen")
            dropped = True
        return dropped

    # -- dying

    def _expire(self, queue: NaiveQueue) -> None:
        while queue in self._due(self.now_ms):
            self._die(queue, queue.ready.pop(0), "expired")

    def _due(self, by_ms: int) -> list[NaiveQueue]:
        """Return the queues whose heads expire until then."""
        heads = [
            (queue, queue.ready[0].expires_at) for queue in self.queues.values() if queue.ready
        ]
        return [
            queue for queue, expires_at in heads if expires_at is not None and expires_at <= by_ms
        ]

    def _die(self, queue: NaiveQueue, letter: Letter, reason: str) -> None:
        queue.counts[reason] += 1
        if queue.spec.dead_letter_exchange is not None:
            self._dying.append((queue, letter, reason))

    def _bury(self) -> None:
        """Send the dead on, one after the other; they may kill others where they land."""
        while self._dying:
            queue, letter, reason = self._dying.pop(0)
            dead = letter.dead(queue.name, reason, self.now_ms)
            dead.exchange = queue.spec.dead_letter_exchange or ""
            dead.key = queue.spec.dead_letter_key or letter.key
            if dead.key in self.queues and not dead.would_circle(reason, dead.key):
                self._arrive(self.queues[dead.key], dead)

    # -- delivering

    def _deliver(self, queue: NaiveQueue, letter: Letter, consumer: Subscriber) -> None:
        tag = self.channels[consumer.channel].give(letter, queue, consumer.auto_ack)
        if not consumer.auto_ack:
            consumer.unacked += 1
            letter.consumer = consumer
        shown = _counted(queue, letter).shown()
        self.told.append((consumer.channel, consumer.tag, tag, letter.redelivered, *shown))

    def _run(self, queue: NaiveQueue) -> None:
        while queue.ready:
            self._expire(queue)
            consumer = queue.turn() if queue.ready else None
            if consumer is None:
                return
            self._deliver(queue, queue.ready.pop(0), consumer)
            self._expire(queue)

    def get(self, channel: int, name: str, auto_ack: bool) -> tuple[object, ...] | None:
        queue = self.queues[name]
        if not queue.ready:
            return None
        letter = queue.ready.pop(0)
        tag = self.channels[channel].give(letter, queue, auto_ack)
        self._expire(queue)
        self._bury()
        return (tag, letter.redelivered, len(queue.ready), *_counted(queue, letter).shown())

    # -- consuming

    def consume(self, name: str, consumer: Subscriber) -> None:
        queue = self.queues[name]
        queue.line.append(consumer)
        self.channels[consumer.channel].consumers[consumer.tag] = (consumer, queue)
        if queue.spec.single and queue.active is None:
            queue.active = consumer
        self._run(queue)
        self._bury()

    def cancel(self, channel: int, tag: str) -> None:
        consumer, queue = self.channels[channel].consumers.pop(tag)
        queue.leave([consumer])
        if queue.spec.single:
            self._run(queue)
        self._bury()

    # -- settling

    def settle(self, channel: int, tags: list[int], how: How) -> None:
        """Settle deliveries, by queue and consumer; what basic.get took goes alone, first."""
        taken = [(tag, *self.channels[channel].unacked.pop(tag)) for tag in sorted(tags)]
        groups: dict[tuple[str, str, int], list[tuple[Letter, NaiveQueue]]] = {}
        for tag, letter, queue in taken:
            key = (letter.consumer.tag, 0) if letter.consumer else ("", tag)
            groups.setdefault((queue.name, *key), []).append((letter, queue))
        for _, group in sorted(groups.items(), key=lambda item: item[0]):
            for queue in {queue for _, queue in group if not queue.deleted}:
                self._settle(queue, [letter for letter, of in group if of is queue], how)
        self._bury()

    def _settle(self, queue: NaiveQueue, letters: list[Letter], how: How) -> None:
        for letter in letters:
            queue.unacked.remove(letter)
            if letter.consumer:
                letter.consumer.unacked -= 1
        queue.unblock(letters[0].consumer)
        if how == "ack":
            queue.counts["acked"] += len(letters)
        elif how == "reject":
            for letter in letters:
                self._die(queue, letter, "rejected")
        else:
            self._put_back(queue, letters, counted=how == "reject_requeue" or self.nack_counts)
        self._run(queue)

    def _put_back(self, queue: NaiveQueue, letters: list[Letter], *, counted: bool) -> None:
        for letter in letters:
            letter.redelivered, letter.consumer = True, None
            letter.returns += queue.spec.quorum and counted
            if letter.returns > queue.spec.delivery_limit:
                self._die(queue, letter, "delivery_limit")
                continue
            self._returns += 1
            letter.returned_as = self._returns
            queue.ready.append(letter)
        queue.sort()
        self._drop_head(queue)
        self._expire(queue)

    # -- what may go one way or another

    def close(self, number: int) -> Iterator[NaiveBroker]:
        """Close a channel and open another one; its letters go back, queue by queue (S81).

        A quorum queue takes them back consumer by consumer, not in order over all.
        """
        channel = self.channels[number]
        held = [(letter, queue) for letter, queue in channel.unacked.values() if not queue.deleted]
        queues = {queue for _, queue in (*held, *channel.consumers.values())}
        takers = {_taker(letter) for letter, queue in held if queue.spec.quorum}
        for names in itertools.permutations(sorted(q.name for q in queues if not q.deleted)):
            for order in itertools.permutations(sorted(takers)):
                world = copy.deepcopy(self)
                world._close(number, names, order)
                yield world

    def _close(self, number: int, names: tuple[str, ...], takers: tuple[str, ...]) -> None:
        channel = self.channels[number]
        self.channels[number] = NaiveChannel()
        for queue in (self.queues[name] for name in names):
            queue.leave([consumer for consumer, of in channel.consumers.values() if of is queue])
            letters = [letter for letter, of in channel.unacked.values() if of is queue]
            if queue.spec.quorum:
                letters.sort(key=lambda letter: takers.index(_taker(letter)))
            for letter in letters:
                queue.unacked.remove(letter)
            self._put_back(queue, letters, counted=True)
            self._run(queue)
        self._bury()

    def advance(self, ms: int) -> Iterator[NaiveBroker]:
        """Let time pass. Of heads that expire at the same instant, any queue's may go first."""
        end_ms, worlds = self.now_ms + ms, [self]
        while worlds:
            world = worlds.pop()
            due = world._due(end_ms)
            if not due:
                world.now_ms = end_ms
                yield world
                continue
            next_ms = min(queue.ready[0].expires_at or _NEVER for queue in due)
            for queue in world._due(next_ms):
                branch = copy.deepcopy(world)
                branch.now_ms = next_ms
                branch._expire(branch.queues[queue.name])
                branch._bury()
                worlds.append(branch)


def _taker(letter: Letter) -> str:
    """Return the tag of the consumer that holds a letter; none for basic.get."""
    return letter.consumer.tag if letter.consumer else ""


def _counted(queue: NaiveQueue, letter: Letter) -> Letter:
    """Return a letter as it is delivered: a quorum queue says how often it came back (S87)."""
    if not letter.returns:
        return letter
    return evolve(letter, headers=letter.headers | {"x-delivery-count": letter.returns})
