"""The clients of one life of the server: they do all at once, until it is killed under them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiormq
from attrs import define, field
from pamqp.commands import Basic

from benchmarks.crash.books import kind_of
from benchmarks.crash.routes import (
    BINDINGS,
    EXCHANGES,
    PRIORITIES,
    QUEUES,
    QUEUES_OF,
    chain_of,
)
from benchmarks.soak.message import body_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

    from benchmarks.crash.books import Books, Message, Object

__all__ = ["Life"]

#: Kind -> exchange and routing key, where it is not the default exchange and the kind.
ADDRESSES = {"orders": ("events", "order.new"), "fan": ("all", "")}
PUBLISHED_TOGETHER = (
    ("orders", "fan", "urgent"),
    ("ledger", "short", "delayed", "booked"),
    ("big", "fleeting", "orders", "ledger"),
)
CONSUMED_TOGETHER = (
    ("orders", "rejected", "fan1"),
    ("fan2", "ledger", "urgent"),
    ("overflow", "expired", "done"),
    ("batch1", "batch2", "big"),
)
#: Emptied in some lives only, so that they hold something for long.
CONSUMED_AT_TIMES = ("audit", "fan3")
CHURN_QUEUES = ("churn0", "churn1", "churn2")
CHURN_EXCHANGES = ("churned0", "churned1")


@define(eq=False)
class Life:
    """What happens between a start and a kill."""

    books: Books
    random: Random
    number: int
    port: int
    kill: Callable[[], object]
    #: Whether the server was killed: whatever clients meet then is no fault.
    killed: bool = field(default=False, init=False)
    # Whether the next answer is the last.
    _armed: bool = field(default=False, init=False)
    # publisher -> how many messages it made
    _made: Counter[str] = field(factory=Counter, init=False)
    _connections: list[AbstractConnection] = field(factory=list, init=False)

    async def live(self, kill_after_s: float) -> None:
        """Have all clients work for so long, and then the server killed.

        Half of the times it is killed in the moment in which the next answer arrives: what that
        answer promises has to be on the disk by then.
        """
        self.books.new_life()
        work = asyncio.create_task(self._work())
        at_an_answer = self.random.random() < 0.5
        await asyncio.wait([work], timeout=kill_after_s)
        if at_an_answer:
            self._armed = True
            await asyncio.wait([work], timeout=1)
        if work.done() and not self.killed:
            self.books.fault("a client met an error", repr(work.exception()))
        self._kill()
        # what the server still sent counts
        ends = asyncio.get_running_loop().time() + 1
        while asyncio.get_running_loop().time() < ends and not self._all_closed():
            await asyncio.sleep(0.01)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _all_closed(self) -> bool:
        return all(connection.is_closed for connection in self._connections)

    def _kill(self) -> None:
        if not self.killed:
            self.killed = True
            self.kill()

    def answered(self) -> None:
        """Take note that an answer came."""
        if self._armed:
            self._kill()

    async def _work(self) -> None:
        await self._declare()
        await asyncio.gather(
            *map(self._publish, PUBLISHED_TOGETHER),
            *map(self._consume, CONSUMED_TOGETHER),
            *(self._consume(CONSUMED_AT_TIMES) for _ in range(self.random.random() < 0.3)),
            self._batches(),
            self._transfer(),
            self._churn(),
        )

    async def _channel(self, *, confirms: bool = False) -> AbstractChannel:
        connection = await aiormq.connect(f"amqp://guest:guest@127.0.0.1:{self.port}/")
        self._connections.append(connection)
        return await connection.channel(publisher_confirms=confirms)

    async def _pause(self) -> None:
        await asyncio.sleep(self.random.choice((0, 0, 0.002, 0.02)))

    # -- topology

    async def _declare(self) -> None:
        """Declare what is not yet there for certain."""
        channel = await self._channel()
        for name, kind in EXCHANGES.items():
            if not self.books.objects.get(("exchange", name)):
                call = channel.exchange_declare(name, exchange_type=kind, durable=True)
                await self._change(("exchange", name), True, call)
        for name, arguments in QUEUES.items():
            if not self.books.objects.get(("queue", name)):
                declaring = channel.queue_declare(name, durable=True, arguments=arguments)
                await self._change(("queue", name), True, declaring)
        for exchange, key, queue in BINDINGS:
            if not self.books.objects.get(("binding", exchange, queue, key)):
                binding = channel.queue_bind(queue, exchange, key)
                await self._change(("binding", exchange, queue, key), True, binding)

    async def _change(
        self, key: Object, there: bool, call: Awaitable[Any], *others: Object
    ) -> None:
        """Make a change of the topology, of which others follow; certain once it is answered."""
        objects = self.books.objects
        for each in (key, *others):
            objects[each] = None if objects.get(each) is not there else there
        await call
        objects.update(dict.fromkeys((key, *others), there))
        self.books.counts["declared, bound, deleted"] += 1
        self.answered()

    async def _churn(self) -> None:
        """Declare, bind, fill, purge and delete, again and again."""
        channel = await self._channel(confirms=True)
        objects = self.books.objects
        while True:
            queue = self.random.choice(CHURN_QUEUES)
            exchange = self.random.choice(CHURN_EXCHANGES)
            key = self.random.choice("ab")
            binding = ("binding", exchange, queue, key)
            bound = [k for k, there in objects.items() if k[0] == "binding" and there is not False]
            both = objects.get(("queue", queue)) and objects.get(("exchange", exchange))
            match self.random.randrange(8):
                case 0 | 1:
                    call = channel.queue_declare(queue, durable=True)
                    await self._change(("queue", queue), True, call)
                case 2 | 3:
                    declaring = channel.exchange_declare(exchange, durable=True)
                    await self._change(("exchange", exchange), True, declaring)
                case 4 if both:
                    await self._change(binding, True, channel.queue_bind(queue, exchange, key))
                case 5 if both:
                    await self._change(binding, False, channel.queue_unbind(queue, exchange, key))
                case 6 if objects.get(("queue", queue)):
                    await self._burst(channel, (queue,), 3)
                case 7:
                    await self._clear(channel, queue, exchange, bound)
            await self._pause()

    async def _clear(
        self, channel: AbstractChannel, queue: str, exchange: str, bound: list[Object]
    ) -> None:
        """Delete a queue with its bindings, or an exchange with its own, or purge a queue."""
        what = self.random.choice(("queue", "exchange", "purge"))
        messages = self.books.messages_in(queue) if what != "exchange" else []
        self.books.leaving(queue, *messages)
        if what == "queue":
            gone = [key for key in bound if key[2] == queue]
            await self._change(("queue", queue), False, channel.queue_delete(queue), *gone)
        elif what == "exchange":
            gone = [key for key in bound if key[1] == exchange]
            call = channel.exchange_delete(exchange)
            await self._change(("exchange", exchange), False, call, *gone)
        elif self.books.objects.get(("queue", queue)):
            await channel.queue_purge(queue)
        else:
            return
        self.books.left(queue, *messages)

    # -- publishing

    def _make(self, kind: str, channel: AbstractChannel) -> tuple[Message, bytes]:
        """Make the next message of one kind on one channel: these have an order."""
        publisher = f"{kind}.{self.number}.{self._connections.index(channel.connection)}"
        message = (publisher, self._made[publisher])
        self._made[publisher] += 1
        size = (
            self.random.randrange(10_000, 60_000) if kind == "big" else self.random.randrange(400)
        )
        return message, body_of(*message, size)

    async def _send(self, channel: AbstractChannel, message: Message, body: bytes) -> None:
        kind = kind_of(message)
        exchange, key = ADDRESSES.get(kind, ("", kind))
        # a quorum queue keeps transient messages too
        mode = 1 if kind == "fleeting" or (kind == "ledger" and message[1] % 2) else 2
        properties = Basic.Properties(delivery_mode=mode, priority=message[1] % PRIORITIES)
        await channel.basic_publish(body, exchange=exchange, routing_key=key, properties=properties)

    async def _publish(self, kinds: tuple[str, ...]) -> None:
        channel = await self._channel(confirms=True)
        while True:
            await self._burst(channel, kinds, self.random.choice((1, 5, 20)))
            await self._pause()

    async def _burst(self, channel: AbstractChannel, kinds: tuple[str, ...], most: int) -> None:
        made = [
            self._make(self.random.choice(kinds), channel)
            for _ in range(self.random.randint(1, most))
        ]
        await asyncio.gather(*(self._send_one(channel, *each) for each in made))

    async def _send_one(self, channel: AbstractChannel, message: Message, body: bytes) -> None:
        unit = self.books.send(message)
        await self._send(channel, message, body)
        self.books.confirm(unit)
        self.answered()

    async def _batches(self) -> None:
        """Publish in transactions, some of which are rolled back."""
        channel = await self._channel()
        await channel.tx_select()
        while True:
            made = [self._make(kind, channel) for kind in ("batch1", "batch2") * 2]
            unit = self.books.send(*(message for message, _ in made))
            committing = False
            try:
                for each in made:
                    await self._send(channel, *each)
                committing = self.random.random() < 0.8
                if committing:
                    await channel.tx_commit()
                    self.books.confirm(unit)
                    self.answered()
            finally:
                if not committing:
                    self.books.undo(unit)
            if not committing:
                await channel.tx_rollback()
            await self._pause()

    # -- consuming

    async def _consume(self, queues: tuple[str, ...]) -> None:
        first = await self._channel()
        channels = [first, *[await first.connection.channel() for _ in queues[1:]]]
        each = zip(channels, queues, strict=True)
        await asyncio.gather(*(_Consumer(self, channel, queue).run() for channel, queue in each))

    async def _transfer(self) -> None:
        """Move messages from one queue to another, each in a transaction."""
        channel = await self._channel()
        await channel.tx_select()
        await channel.basic_qos(prefetch_count=5)
        waiting: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        await channel.basic_consume("booked", waiting.put)
        while True:
            delivered = await waiting.get()
            tag = delivered.delivery_tag
            assert tag is not None
            message = self.books.receive("booked", delivered.body, bool(delivered.redelivered))
            properties = Basic.Properties(delivery_mode=2)
            await channel.basic_publish(delivered.body, routing_key="done", properties=properties)
            if self.random.random() < 0.8:
                await channel.basic_ack(tag)
                await channel.tx_commit()
                self.books.gone["booked"].add(message)
                self.books.counts["moved in a transaction"] += 1
            else:
                await channel.tx_rollback()
                await channel.basic_nack(tag)
                await channel.tx_commit()
            self.books.known["booked"].add(message)
            self.answered()


@define(eq=False)
class _Consumer:
    """Takes from one queue; acknowledges one by one or many at once, puts back, rejects."""

    life: Life
    channel: AbstractChannel
    queue: str
    # Since the last call that was answered: what was delivered, what left the queue and how far.
    _delivered: list[Message] = field(factory=list, init=False)
    _left: list[tuple[bool, Message]] = field(factory=list, init=False)
    # tag -> message, not acknowledged
    _waiting: dict[int, Message] = field(factory=dict, init=False)

    async def run(self) -> None:
        """Consume for ever; now and then a call is answered, and makes certain what came before."""
        await self.channel.basic_qos(prefetch_count=20)
        await self.channel.basic_consume(self.queue, self._receive)
        books = self.life.books
        while True:
            await asyncio.sleep(self.life.random.choice((0.002, 0.01, 0.05)))
            if self._waiting:
                await self._acknowledge(max(self._waiting))
            delivered, self._delivered = self._delivered, []
            left, self._left = self._left, []
            await self.channel.basic_qos(prefetch_count=20)
            books.known[self.queue].update(delivered)
            chain = chain_of(self.queue)
            for for_good, message in left:
                if for_good:
                    books.left(chain, message)
                else:
                    books.gone[self.queue].add(message)
            self.life.answered()

    async def _receive(self, delivered: DeliveredMessage) -> None:
        tag = delivered.delivery_tag
        assert tag is not None
        message = self.life.books.receive(self.queue, delivered.body, bool(delivered.redelivered))
        self._delivered.append(message)
        chance = self.life.random.random()
        if chance < 0.1:
            await self.channel.basic_nack(tag)
        elif chance < 0.3 and QUEUES_OF[chain_of(self.queue)][-1] != self.queue:
            await self.channel.basic_reject(tag, requeue=False)
            self._left.append((False, message))
            self.life.books.counts["rejected"] += 1
        elif chance < 0.5:
            self._waiting[tag] = message
        elif chance < 0.6:
            self._waiting[tag] = message
            await self._acknowledge(tag)
        else:
            self.life.books.leaving(self.queue, message)
            await self.channel.basic_ack(tag)
            self._left.append((True, message))

    async def _acknowledge(self, tag: int) -> None:
        """Acknowledge all that waits up to a tag."""
        messages = [self._waiting.pop(each) for each in sorted(self._waiting) if each <= tag]
        self.life.books.leaving(self.queue, *messages)
        await self.channel.basic_ack(tag, multiple=True)
        self._left += ((True, message) for message in messages)
