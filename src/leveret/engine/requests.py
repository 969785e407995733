"""Request–reply: a call gets its own reply, or its timeout, and never another's.

Two ways, both RabbitMQ's: direct reply-to (S116–S119), or a reply queue of the caller's own, told
apart by `correlation_id`. The consumer acknowledges as it receives, and the queue is exclusive, so
that replies nobody waits for do not pile up: they are counted and dropped.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, evolve, field, frozen

from leveret.engine.channel_base import random_name
from leveret.engine.replies import PSEUDO_QUEUE
from leveret.errors import LeveretError
from leveret.properties import NO_PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.channel import Channel
    from leveret.engine.methods import Deliver, Return
    from leveret.errors import AMQPError
    from leveret.properties import Properties

    OnReply: TypeAlias = "Callable[[PendingReply], object]"

__all__ = ["PendingReply", "Reply", "RequestTimeoutError", "RequestUnroutableError", "Requests"]


class RequestTimeoutError(LeveretError):
    """No reply came in time. A reply that comes later is dropped and counted."""


class RequestUnroutableError(LeveretError):
    """No reply can come: the request reached no queue, or its channel was closed."""


@frozen
class Reply:
    """What a server answered."""

    properties: Properties
    body: bytes


@define(eq=False)
class PendingReply:
    """A call under way, or at its end: a reply, or an error."""

    correlation_id: str
    _on_done: OnReply | None = None
    timer: tuple[int, int] | None = field(default=None, init=False)
    _reply: Reply | None = field(default=None, init=False)
    _error: LeveretError | None = field(default=None, init=False)

    @property
    def done(self) -> bool:
        """Whether the reply is there, or will never be."""
        return self._reply is not None or self._error is not None

    def result(self) -> Reply:
        """Return the reply.

        Raises:
            RequestTimeoutError: none came in time.
            RequestUnroutableError: the request reached no queue.
            LeveretError: the call is still under way.

        """
        if self._error is not None:
            raise self._error
        if self._reply is None:
            raise LeveretError(
                f"request {self.correlation_id} has no reply yet: let the server run, or time pass"
            )
        return self._reply

    def finish(self, outcome: Reply | LeveretError) -> None:
        """End the call, and tell who waits."""
        if isinstance(outcome, Reply):
            self._reply = outcome
        else:
            self._error = outcome
        if self._on_done is not None:
            self._on_done(self)


@define(eq=False)
class Requests:
    """Calls over one channel.

    `reply_queue` None uses direct reply-to; a name, or "" for one the broker makes, uses an
    exclusive queue. `late` counts replies that came after their timeout, twice, or for nobody.
    """

    channel: Channel
    reply_queue: str | None = None
    late: int = field(default=0, init=False)
    _reply_to: str = field(default=PSEUDO_QUEUE, init=False)
    # correlation id -> the call that waits
    _pending: dict[str, PendingReply] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        if self.reply_queue is not None:
            declared = self.channel.queue_declare(
                self.reply_queue, exclusive=True, auto_delete=True
            )
            self._reply_to = declared.queue
        self.channel.basic_consume(self._reply_to, self._replied, auto_ack=True)
        self.channel.add_on_return_callback(self._returned)
        self.channel.add_on_close_callback(self._closed)

    def __len__(self) -> int:
        return len(self._pending)

    def call(
        self,
        exchange: str,
        routing_key: str,
        body: bytes | str = b"",
        properties: Properties | None = None,
        *,
        timeout_ms: int | None = None,
        on_done: OnReply | None = None,
    ) -> PendingReply:
        """Send a request; `on_done` is called when its reply is there, or will never be.

        `timeout_ms` is on the broker's clock; None waits for ever.

        Raises:
            AMQPError: the broker refuses the request, as it would refuse any publish.

        """
        broker = self.channel.connection.broker
        correlation_id = random_name("request", broker.random)
        pending = self._pending[correlation_id] = PendingReply(correlation_id, on_done)
        if timeout_ms is not None:
            deadline_ms = broker.clock.now_ms() + timeout_ms
            time_out = partial(self._time_out, correlation_id, timeout_ms)
            pending.timer = broker.timers.call_at(deadline_ms, time_out)
        properties = evolve(
            properties or NO_PROPERTIES, correlation_id=correlation_id, reply_to=self._reply_to
        )
        try:
            self.channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        except LeveretError:
            self._take(properties)
            raise
        return pending

    def forget(self, call: PendingReply) -> None:
        """Wait for a reply no longer: it is dropped and counted when it comes."""
        if self._pending.pop(call.correlation_id, None) is not None:
            self._forget_timer(call)

    def _take(self, properties: Properties) -> PendingReply | None:
        pending = self._pending.pop(properties.correlation_id or "", None)
        if pending is not None:
            self._forget_timer(pending)
        return pending

    def _replied(self, _: Channel, __: Deliver, properties: Properties, body: bytes) -> None:
        pending = self._take(properties)
        if pending is None:
            self.late += 1
        else:
            pending.finish(Reply(properties, body))

    def _returned(self, _: Channel, method: Return, properties: Properties, __: bytes) -> None:
        pending = self._take(properties)
        if pending is not None:
            pending.finish(
                RequestUnroutableError(
                    f"no queue takes requests to exchange '{method.exchange}' with routing key"
                    f" '{method.routing_key}': declare and bind the server's queue first"
                )
            )

    def _closed(self, _: Channel, error: AMQPError | None) -> None:
        pending, self._pending = self._pending, {}
        for call in pending.values():
            self._forget_timer(call)
            why = f": {error}" if error else ""
            call.finish(RequestUnroutableError(f"the channel of the request was closed{why}"))

    def _forget_timer(self, call: PendingReply) -> None:
        if call.timer is not None:
            self.channel.connection.broker.timers.cancel(call.timer)

    def _time_out(self, correlation_id: str, timeout_ms: int) -> None:
        pending = self._pending.pop(correlation_id, None)
        if pending is not None:
            pending.finish(
                RequestTimeoutError(f"no reply to request {correlation_id} within {timeout_ms} ms")
            )
