"""Takes messages out of a queue one after the other, in its order, and keeps them unacknowledged.

Two ways. `Getting` asks for each with basic.get, which is always safe, and slow: measured, 600 a
second from RabbitMQ. `Consuming` has them sent, some five times as fast, but its leaving deletes a
queue that is declared auto-delete, messages and all (S36), and beside other consumers it gets some
only. So it is used where the queue is known to be neither.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from aiormq.exceptions import ChannelClosed
from attrs import define, field

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection
    from aiormq.abc import AbstractChannel, DeliveredMessage

__all__ = ["Taking", "taking"]

#: How many messages a consumer may be sent ahead.
AHEAD = 250
#: Where nothing comes for so long, the queue is asked whether it has anything, in seconds.
PATIENCE_S = 1.0


class Taking(Protocol):
    """Hands out messages that the channel then holds."""

    async def next(self) -> DeliveredMessage | None:
        """Return the next message, or None where there is none."""
        ...

    def acked(self) -> None:
        """Hear that one of them was acknowledged."""
        ...

    async def end(self) -> None:
        """Have no more sent; what was handed out stays with the channel."""
        ...


@define(eq=False)
class Getting:
    """One message at a time."""

    channel: AbstractChannel
    queue: str

    async def next(self) -> DeliveredMessage | None:
        """Return the next message, or None where there is none."""
        message = await self.channel.basic_get(self.queue)
        return message if message.delivery_tag is not None else None

    def acked(self) -> None:
        """Hear that one of them was acknowledged."""

    async def end(self) -> None:
        """Have no more sent."""


@define(eq=False)
class Consuming:
    """Messages as they are sent.

    A consumer is sent no more than `ahead` messages beyond those acknowledged, so that they do not
    pile up here. Whatever is passed over stays unacknowledged, and uses that up: then another
    consumer joins, on the same channel, whose deliveries come in the order of the queue.
    """

    channel: AbstractChannel
    queue: str
    ahead: int = AHEAD
    _arrived: asyncio.Queue[DeliveredMessage | None] = field(factory=asyncio.Queue, init=False)
    _tags: list[str] = field(factory=list, init=False)
    _held: int = field(default=0, init=False)
    _ending: bool = field(default=False, init=False)

    async def next(self) -> DeliveredMessage | None:
        """Return the next message, or None where there is none."""
        while True:
            if self._arrived.empty() and self._held >= len(self._tags) * self.ahead:
                await self._join()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    message = await self._arrived.get()
            except TimeoutError:
                declared = await self.channel.queue_declare(self.queue, passive=True)
                if not declared.message_count:
                    return None
                continue
            if message is not None:
                self._held += 1
            return message

    async def _join(self) -> None:
        if not self._tags:
            self.channel.on_consumer_cancel_callbacks.add(lambda _: self._arrived.put_nowait(None))
            self.channel.closing.add_done_callback(lambda _: self._arrived.put_nowait(None))
            await self.channel.basic_qos(prefetch_count=self.ahead)
        started = await self.channel.basic_consume(self.queue, self._arrived.put)
        assert started.consumer_tag is not None
        self._tags.append(started.consumer_tag)

    def acked(self) -> None:
        """Hear that one of them was acknowledged."""
        self._held -= 1

    async def end(self) -> None:
        """Have no more sent."""
        tags, self._tags = self._tags, []
        for tag in tags:
            await self.channel.basic_cancel(tag)


async def taking(connection: AbstractConnection, channel: AbstractChannel, queue: str) -> Taking:
    """Return the way to take messages from a queue that is there and does it no harm."""
    consumers = (await channel.queue_declare(queue, passive=True)).consumer_count
    if consumers or await _may_be_auto_delete(connection, queue):
        return Getting(channel, queue)
    return Consuming(channel, queue)


async def _may_be_auto_delete(connection: AbstractConnection, queue: str) -> bool:
    """Say whether a queue may be declared auto-delete; no client is told, but for one that errs.

    It is declared as auto-delete, which changes nothing where it is there: the refusal names the
    first property that differs, and `durable` comes before it (S1).
    """
    for durable in (True, False):
        asking = await (await connection.channel()).get_underlay_channel()
        try:
            await asking.queue_declare(queue, durable=durable, auto_delete=True)
        except ChannelClosed as error:
            if "inequivalent arg 'auto_delete'" in str(error):
                return False
            if "inequivalent arg 'durable'" not in str(error):
                return True
        else:
            await asking.close()
            return True
    return True
