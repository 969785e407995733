"""Walks a dead-letter queue of any broker without changing it.

Messages are with this command while it looks, unacknowledged, and go back where they were (S80).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from attrs import define, field

from leveret.cli.counting import Counting
from leveret.cli.dlq_taking import Taking, taking
from leveret.dead_letters.letter import DeadLetter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aio_pika.abc import AbstractConnection
    from aiormq.abc import AbstractChannel, DeliveredMessage

__all__ = ["Walk", "letter_of"]


def letter_of(message: DeliveredMessage) -> DeadLetter:
    """Return what a message from a dead-letter queue tells about its deaths."""
    properties = message.header.properties
    return DeadLetter.of(
        message.exchange or "",
        message.routing_key or "",
        properties.headers,
        message.body,
        properties.message_id or None,
    )


@define(eq=False)
class Walk:
    """Takes the messages that are ready in a queue now, one by one, as a context.

    What came later is not among them: a letter that was redriven and died again does not come by
    twice.
    """

    connection: AbstractConnection
    queue: str
    #: How many messages there are to see.
    count: int = field(default=0, init=False)
    _channel: AbstractChannel | None = field(default=None, init=False)
    _taking: Taking | None = field(default=None, init=False)
    _counting: Counting = field(factory=lambda: Counting("looking"), init=False)
    _counts_returns: bool = field(default=False, init=False)

    @property
    def seen(self) -> int:
        """How many messages came by."""
        return self._counting.done

    async def __aenter__(self) -> Walk:
        channel = await self.connection.channel()
        self._channel = await channel.get_underlay_channel()
        declared = await self._channel.queue_declare(self.queue, passive=True)
        self.count = declared.message_count or 0
        self._taking = await taking(self.connection, self._channel, self.queue)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Put everything back that was not acknowledged."""
        self._counting.stop()
        channel = self._channel
        if channel is not None and self._taking is not None and not channel.is_closed:
            await self._taking.end()
            await channel.basic_nack(0, multiple=True, requeue=True)
            await channel.close()
        if self._counts_returns:
            click.echo(
                "note: this is a quorum queue, which may count what goes back towards its"
                " delivery-limit: do not look too often",
                err=True,
            )

    async def messages(self) -> AsyncIterator[DeliveredMessage]:
        """Yield each message; a bar on a terminal shows how far it is."""
        assert self._taking is not None
        self._counting.total = self.count
        while self._counting.done < self.count:
            message = await self._taking.next()
            if message is None:
                return
            headers = message.header.properties.headers
            self._counts_returns |= "x-delivery-count" in (headers or {})
            self._counting.advance()
            yield message

    async def ack(self, message: DeliveredMessage) -> None:
        """Let a message leave the queue for good."""
        assert self._channel is not None
        assert self._taking is not None
        assert message.delivery_tag is not None
        await self._channel.basic_ack(message.delivery_tag)
        self._taking.acked()
