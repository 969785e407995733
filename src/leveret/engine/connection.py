"""A client's connection: its user, its channels, and the queues that are its alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.engine.channel import Channel
from leveret.errors import AMQPError, ChannelError, ConnectionWrongStateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.broker import Broker
    from leveret.engine.permissions import Access
    from leveret.engine.ports import ChannelListener
    from leveret.engine.virtual_host import VirtualHost

__all__ = ["MAX_CHANNELS", "Connection"]

#: RabbitMQ's default `channel_max`: enough for any client, and a leak is found before it hurts.
MAX_CHANNELS = 2047

#: A channel's number has 16 bits (AMQP 0-9-1 section 4.2.3).
LARGEST_CHANNEL_NUMBER = 65_535


@define(eq=False)
class Connection:
    """One connection. `cancel_notify`: its client takes basic.cancel from the broker (S73)."""

    broker: Broker
    virtual_host: VirtualHost
    access: Access
    cancel_notify: bool = True
    #: The class of its channels: a test kit or a tracer has its own.
    channel_type: type[Channel] = field(default=Channel, init=False)
    # number -> channel
    channels: dict[int, Channel] = field(factory=dict, init=False)
    closed: str = field(default="", init=False)
    #: Told why when the connection ends, for an error or (None) as was asked.
    on_closed: Callable[[AMQPError | None], None] | None = field(default=None, init=False)

    @property
    def is_open(self) -> bool:
        """Whether the connection can be used."""
        return not self.closed

    def channel(
        self, channel_number: int | None = None, listener: ChannelListener | None = None
    ) -> Channel:
        """Open a channel; without a number, the lowest free one.

        Without a listener, what the channel has to tell goes to the callbacks registered on it.

        Raises:
            ConnectionWrongStateError: the connection is closed.
            ChannelError: the number is in use or beyond the limit (S123).

        """
        if self.closed:
            raise ConnectionWrongStateError(f"the connection is closed: {self.closed}")
        number = channel_number or self._free_number()
        full = len(self.channels) >= MAX_CHANNELS
        if number in self.channels or full or not 0 < number <= LARGEST_CHANNEL_NUMBER:
            why = "second 'channel.open' seen" if number in self.channels else "no free channel"
            raise ChannelError(why).at(20, 10, "channel.open")
        channel = self.channels[number] = self.channel_type(self, number, listener)
        return channel

    def _free_number(self) -> int:
        return next(n for n in range(1, MAX_CHANNELS + 2) if n not in self.channels)

    def close(self) -> None:
        """Close the connection: its unacked messages return, its exclusive queues go (S10, S81)."""
        self.terminate(None)
        self.broker.settle()

    def terminate(self, error: AMQPError | None) -> None:
        """End the connection, for an error or as asked, without settling what that sets off."""
        if self.closed:
            return
        self.closed = str(error) if error else "it was closed"
        channels = list(self.channels.values())
        # All consumers go before any message returns, or one channel's messages would be
        # delivered to the next, which is closing too (and be lost where it never acknowledges).
        held = [channel.leave_queues() for channel in channels]
        for channel, messages in zip(channels, held, strict=True):
            channel.terminate(error, messages)
        for queue in list(self.virtual_host.queues.values()):
            if queue.exclusive_owner is self:
                self.virtual_host.remove_queue(queue, "exclusive")
        self.broker.connections.remove(self)
        if self.on_closed is not None:
            self.on_closed(error)

    def check(self) -> None:
        """Assert the invariants of its channels."""
        for channel in self.channels.values():
            channel.check()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
