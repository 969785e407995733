"""Publishing for both faces: each message until the broker took it, with room waited for.

A message waits before anything of it is done: while publishers are stopped (memory, disk), and
while one of the queues it goes to is full and would refuse it. Then it goes to all its queues in
one turn.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.bodies import encode
from leveret.engine import Channel
from leveret.engine.delays import queues_of
from leveret.errors import AMQPError
from leveret.properties import Properties
from leveret.queues import Message
from leveret.service.errors import (
    PublishTimeoutError,
    RefusedError,
    ServiceClosedError,
    UnroutableError,
)
from leveret.service.listening import SilentListener
from leveret.service.waiting import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leveret.bodies import Body
    from leveret.engine import Connection
    from leveret.engine.methods import Method
    from leveret.errors import LeveretError
    from leveret.properties import FieldValue
    from leveret.queues import AnyMessage, Queue
    from leveret.queues.room import Room
    from leveret.server import Server

__all__ = ["Outgoing", "OwnChannel", "Publication", "Publisher"]


class OwnChannel(Channel):
    """A channel that outlives its refusals: many share it, one's mistake is no other's."""

    __slots__ = ()

    def fail(self, error: AMQPError, method: Method) -> AMQPError:
        """Name the method that failed; close nothing."""
        error.at(method.class_id, method.method_id, method.name)
        self.connection.broker.settle()
        return error


@define(unsafe_hash=False)
class Outgoing:
    """One message to publish, for `publish_many`.

    `delay_ms` holds it back, `persistent` keeps it through a restart where its queues are durable.
    """

    exchange: str
    routing_key: str = ""
    body: Body = b""
    headers: Mapping[str, FieldValue] | None = None
    properties: Properties | None = None
    mandatory: bool = False
    persistent: bool = True
    delay_ms: int | None = None

    def message(self, headers: dict[str, FieldValue] | None) -> Message:
        """Return it as the broker takes it, with these headers.

        Raises:
            TypeError: the body has no form (see `leveret.bodies.encode`).

        """
        body, content_type = encode(self.body)
        mode = 2 if self.persistent else None
        given = self.properties
        if given is None:
            properties = Properties(content_type, None, headers, mode)
            return Message(self.exchange, self.routing_key, properties, body)
        properties = Properties(
            given.content_type or content_type,
            given.content_encoding,
            headers or given.headers,
            given.delivery_mode or mode,
            given.priority,
            given.correlation_id,
            given.reply_to,
            given.expiration,
            given.message_id,
            given.timestamp,
            given.type,
            given.user_id,
            given.app_id,
            given.cluster_id,
        )
        return Message(self.exchange, self.routing_key, properties, body)

    def all_headers(self) -> dict[str, FieldValue]:
        """Return its headers, those among its properties included, to be added to."""
        if self.headers is None and self.properties is None:
            return {}
        given = self.properties.headers if self.properties is not None else None
        return {**(given or {}), **(self.headers or {})}


@define(eq=False, repr=False)
class Publication(Operation):
    """A message on its way to the broker's word that it took it."""

    publisher: Publisher
    message: AnyMessage
    mandatory: bool = False
    delay_ms: int | None = None
    #: What cancels it once it is held back; None for a message without delay.
    held: int | None = field(default=None, init=False)
    #: When it is held back until, on the broker's clock.
    due_ms: int = field(default=0, init=False)
    #: The line it stands in, and its place there.
    room: Room | None = field(default=None, init=False)
    retry: Callable[[], bool] | None = field(default=None, init=False)
    _taken: bool = field(default=False, init=False)
    unroutable: bool = field(default=False, init=False)

    def taken(self) -> None:
        """Take note that the broker has it; what may still come is its word that it is durable."""
        self._taken = True
        self.waits_for = "the disk"

    def timeout_error(self, timeout_ms: int) -> LeveretError:
        """Say what it waited for, and whether anything was done."""
        after = f"within {timeout_ms} ms"
        if self._taken:
            return PublishTimeoutError(
                f"the broker has the message and could not make it durable {after}:"
                " it may or may not survive a crash"
            )
        return PublishTimeoutError(
            f"{self.waits_for}, and nobody made room {after}; nothing was published"
        )

    def cancel(self) -> None:
        """Leave the line; a message that the broker has stays with it."""
        room, retry, self.room, self.retry = self.room, self.retry, None, None
        if room is not None and retry is not None:
            room.leave(retry)
        self.publisher.forget(self)


@define(eq=False, repr=False)
class Publisher(SilentListener):
    """Publishes on one channel in confirm mode, whose listener it is. Used under the lock."""

    connection: Connection
    server: Server
    channel: Channel = field(init=False)
    _ended: bool = field(default=False, init=False)
    # sequence number -> publication not confirmed yet
    _unconfirmed: dict[int, Publication] = field(factory=dict, init=False)
    # What is being published, for what is said about it meanwhile.
    _current: Publication | None = field(default=None, init=False)
    # Waiting while publishers are stopped.
    _stopped: deque[Publication] = field(factory=deque, init=False)
    # Waiting for room in a queue -> None.
    _in_line: dict[Publication, None] = field(factory=dict, init=False)
    # (group, publication held back) that is not durable yet
    _held: deque[tuple[int, Publication]] = field(factory=deque, init=False)

    def __attrs_post_init__(self) -> None:
        self.channel = self.connection.channel(listener=self)
        self.channel.confirm_delivery()
        self.server.on_alarm = self._alarm_changed

    def publish(
        self, message: AnyMessage, mandatory: bool = False, delay_ms: int | None = None
    ) -> Publication:
        """Publish a message now, or when it can be; `done` and `error` say what became of it."""
        broker = self.connection.broker
        publication = Publication(broker, self, message, mandatory, delay_ms)
        if self._ended:
            publication.finish(ServiceClosedError("the service is closed and publishes no more"))
            return publication
        self.server.received(message.size)
        self._attempt(publication)
        if broker.work or broker.outbox:
            broker.settle()
        return publication

    def _attempt(self, publication: Publication) -> bool:
        """Publish a message, or have it wait; return False where it is to stay where it waits."""
        if publication.done:
            return True
        if self.server.alarms:
            publication.room = publication.retry = None
            self._in_line.pop(publication, None)
            reasons = " and ".join(sorted(self.server.alarms))
            publication.waits_for = f"publishers are stopped, since {reasons} is short"
            self._stopped.append(publication)
            return True
        full = self._full(publication) if publication.delay_ms is None else None
        if full is not None:
            if publication.room is not None and full.room is publication.room:
                return False
            publication.waits_for = f"queue '{full.name}' is full ({_limits(full)})"
            publication.retry = partial(self._attempt, publication)
            publication.room = full.wait_for_room(publication.retry)
            self._in_line[publication] = None
            return True
        if publication.room is not None:
            publication.room = publication.retry = None
            self._in_line.pop(publication, None)
        try:
            self._send(publication)
        except AMQPError as error:
            publication.finish(error)
        return True

    def _full(self, publication: Publication) -> Queue | None:
        """Return the first queue that has to make room for a message before it can go anywhere."""
        message, host = publication.message, self.connection.virtual_host
        if message.exchange not in host.exchanges:
            return None
        route = host.router.route(message.exchange, message.routing_key, message.properties)
        for queue in queues_of(route):
            if queue.must_wait(message, first=publication.room is queue.room is not None):
                return queue
        return None

    def _send(self, publication: Publication) -> None:
        if publication.delay_ms is not None:
            self._hold(publication, publication.delay_ms)
            return
        # What a publish sets off may let others go on that wait, within this very call.
        sequence = self.channel.next_publish_sequence
        self._unconfirmed[sequence] = publication
        outer, self._current = self._current, publication
        publication.taken()
        try:
            self.channel.publish(publication.message, publication.mandatory)
        except BaseException:
            if self._unconfirmed.get(sequence) is publication:
                del self._unconfirmed[sequence]
            raise
        finally:
            self._current = outer

    def _hold(self, publication: Publication, delay_ms: int) -> None:
        broker = self.connection.broker
        publication.due_ms = broker.clock.now_ms() + delay_ms
        publication.held = self.channel.hold(publication.message, publication.due_ms)
        publication.taken()
        group = broker.undurable()
        if group:
            self._held.append((group, publication))
            broker.await_durable(self)
        else:
            publication.finish()

    def forget(self, publication: Publication) -> None:
        """Have a message that waits not be published; one that the broker has stays with it."""
        self._in_line.pop(publication, None)
        if publication in self._stopped:
            self._stopped.remove(publication)

    def _alarm_changed(self) -> None:
        if not self.server.alarms:
            stopped, self._stopped = self._stopped, deque()
            for publication in stopped:
                self._attempt(publication)
            self.connection.broker.settle()

    def release(self, group: int) -> bool:
        """Answer for messages held back that are durable now; say whether some are not yet."""
        while self._held and self._held[0][0] <= group:
            self._held.popleft()[1].finish()
        return bool(self._held)

    def close(self) -> None:
        """End everything that waits, and publish no more."""
        self._ended = True
        for publication in list(self._in_line):
            publication.cancel()
            publication.finish(ServiceClosedError("the service was closed meanwhile"))
        waiting = [*self._stopped, *self._unconfirmed.values(), *(p for _, p in self._held)]
        self._stopped.clear()
        self._unconfirmed.clear()
        self._held.clear()
        for publication in waiting:
            publication.finish(ServiceClosedError("the service was closed meanwhile"))

    # -- what the channel tells

    def confirmed(self, delivery_tag: int, multiple: bool) -> None:
        """Hear that the broker took messages."""
        for publication in self._answered(delivery_tag, multiple):
            error = _unroutable(publication.message) if publication.unroutable else None
            publication.finish(error)

    def refused(self, delivery_tag: int, multiple: bool) -> None:
        """Hear that the broker did not take messages."""
        for publication in self._answered(delivery_tag, multiple):
            message = publication.message
            publication.finish(
                RefusedError(
                    f"a queue refused the message to exchange '{message.exchange}' with routing"
                    f" key '{message.routing_key}': it is full, or its schema forbids it"
                )
            )

    def _answered(self, delivery_tag: int, multiple: bool) -> list[Publication]:
        unconfirmed = self._unconfirmed
        if not multiple:
            publication = unconfirmed.pop(delivery_tag, None)
            return [] if publication is None else [publication]
        return [unconfirmed.pop(tag) for tag in list(unconfirmed) if tag <= delivery_tag]

    def returned(self, reply_code: int, reply_text: str, message: AnyMessage) -> None:
        """Hear that the message being published reached no queue."""
        if self._current is not None:
            self._current.unroutable = True

    def closed(self, error: AMQPError | None) -> None:
        """Hear that the channel is gone, as when the virtual host is deleted."""
        self.close()


def _limits(queue: Queue) -> str:
    settings = queue.settings
    limits = (("max-length", settings.max_length), ("max-length-bytes", settings.max_length_bytes))
    return ", ".join(f"{name} {limit:,}" for name, limit in limits if limit is not None)


def _unroutable(message: AnyMessage) -> UnroutableError:
    return UnroutableError(
        f"no queue takes a message to exchange '{message.exchange}' with routing key"
        f" '{message.routing_key}'; ask `explain` why"
    )
