"""Callbacks for a channel in process: pika's signatures, called when the broker is at rest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import Factory, define, field

from leveret.engine.methods import Deliver, Return

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from leveret.engine.channel import Channel
    from leveret.errors import AMQPError
    from leveret.properties import Properties
    from leveret.queues import AnyMessage, QueuedRun

    OnMessage: TypeAlias = Callable[[Channel, Deliver, Properties, bytes], object]
    OnReturn: TypeAlias = Callable[[Channel, Return, Properties, bytes], object]
    OnConfirm: TypeAlias = Callable[[int, bool, bool], object]
    OnCancel: TypeAlias = Callable[[str], object]
    OnClose: TypeAlias = Callable[[Channel, AMQPError | None], object]

__all__ = ["Callbacks"]


@define(eq=False)
class Callbacks:
    """The listener of a channel that has none of its own: puts calls in the broker's outbox."""

    channel: Channel
    outbox: deque[Callable[[], object]] = field(
        default=Factory(lambda self: self.channel.connection.broker.outbox, takes_self=True),
        init=False,
    )
    # consumer tag -> callback
    on_message: dict[str, OnMessage] = field(factory=dict, init=False)
    #: For the consumer being subscribed, whose tag is not known before.
    next_on_message: OnMessage | None = field(default=None, init=False)
    on_return: list[OnReturn] = field(factory=list, init=False)
    on_confirm: list[OnConfirm] = field(factory=list, init=False)
    on_cancel: list[OnCancel] = field(factory=list, init=False)
    on_close: list[OnClose] = field(factory=list, init=False)

    def subscribed(self, consumer_tag: str) -> None:
        """Tie the callback given to basic_consume to the tag."""
        if self.next_on_message is not None:
            self.on_message[consumer_tag] = self.next_on_message
            self.next_on_message = None

    def delivered(
        self, consumer_tag: str, delivery_tag: int, redelivered: bool, message: AnyMessage
    ) -> None:
        """Have the consumer's callback called."""
        callback = self.on_message.get(consumer_tag)
        if callback is not None:
            method = Deliver(
                consumer_tag, delivery_tag, redelivered, message.exchange, message.routing_key
            )
            self.outbox.append(
                partial(callback, self.channel, method, message.properties, message.body)
            )

    def delivered_run(self, consumer_tag: str, first_tag: int, queued: QueuedRun) -> None:
        """Have the consumer's callback called for each."""
        for delivery_tag, entry in enumerate(queued.entries(), first_tag):
            self.delivered(consumer_tag, delivery_tag, False, entry.message)

    def returned(self, reply_code: int, reply_text: str, message: AnyMessage) -> None:
        """Have the return callbacks called."""
        method = Return(reply_code, reply_text, message.exchange, message.routing_key)
        for callback in self.on_return:
            self.outbox.append(
                partial(callback, self.channel, method, message.properties, message.body)
            )

    def confirmed(self, delivery_tag: int, multiple: bool) -> None:
        """Have the confirm callbacks called: acked."""
        for callback in self.on_confirm:
            self.outbox.append(partial(callback, delivery_tag, multiple, True))

    def refused(self, delivery_tag: int, multiple: bool) -> None:
        """Have the confirm callbacks called: nacked."""
        for callback in self.on_confirm:
            self.outbox.append(partial(callback, delivery_tag, multiple, False))

    def expired(self, delivery_tag: int) -> None:
        """Tell nothing: who wants to know asks `Channel.is_held`."""

    def consumer_cancelled(self, consumer_tag: str) -> None:
        """Have the cancel callbacks called."""
        for callback in self.on_cancel:
            self.outbox.append(partial(callback, consumer_tag))

    def closed(self, error: AMQPError | None) -> None:
        """Have the close callbacks called."""
        for callback in self.on_close:
            self.outbox.append(partial(callback, self.channel, error))
