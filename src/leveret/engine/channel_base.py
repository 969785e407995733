"""What all methods of a channel share: its state, its end, and how an error ends it."""

from __future__ import annotations

import base64
import functools
from collections import deque
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast

from attrs import define, field

from leveret.engine.callbacks import Callbacks
from leveret.errors import (
    AccessRefused,
    AMQPError,
    ChannelClosedByBroker,
    ChannelWrongStateError,
    NotFound,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.channel import Channel
    from leveret.engine.connection import Connection
    from leveret.engine.methods import Method
    from leveret.engine.permissions import Access, Action
    from leveret.engine.ports import ChannelListener, Random
    from leveret.engine.replies import ReplyConsumer
    from leveret.engine.transactions import Transaction
    from leveret.engine.virtual_host import VirtualHost
    from leveret.engine.visibility import Leases
    from leveret.queues import Consumer, Queue, QueuedMessage, QueuedRun

__all__ = ["MAX_SHORT_STRING", "ChannelBase", "amqp_method", "random_name", "strip_name"]

C = TypeVar("C", bound="ChannelBase")
P = ParamSpec("P")
R = TypeVar("R")

#: The longest name or routing key in bytes: an AMQP short string (AMQP 0-9-1 section 4.2.5.3).
MAX_SHORT_STRING = 255


@define(eq=False)
class ChannelBase:
    """The state of a channel. `number` is its own within its connection."""

    connection: Connection
    number: int
    _given_listener: ChannelListener | None = None
    listener: ChannelListener = field(init=False)
    #: Why the channel is closed; empty while it is open.
    closed: str = field(default="", init=False)
    _host: VirtualHost = field(init=False)
    _access: Access = field(init=False)
    _now_ms: Callable[[], int] = field(init=False)
    _max_body_bytes: int = field(init=False)
    # delivery tag -> message delivered and not settled, in the order of tags
    _unacked: dict[int, QueuedMessage] = field(factory=dict, init=False)
    # delivered in runs and not settled, in the order of tags; all behind those of `_unacked`
    _held_runs: deque[QueuedRun] = field(factory=deque, init=False)
    _next_tag: int = field(default=1, init=False)
    # No tag below this is unacknowledged.
    _oldest_tag: int = field(default=1, init=False)
    # How many of the unacknowledged went to consumers: what a global prefetch limits.
    _held: int = field(default=0, init=False)
    # consumer tag -> consumer
    _consumers: dict[str, Consumer] = field(factory=dict, init=False)
    _prefetch: int = field(default=0, init=False)
    _global_prefetch: int = field(default=0, init=False)
    _paused: bool = field(default=False, init=False)
    _reply_consumer: ReplyConsumer | None = field(default=None, init=False)
    _last_queue: str = field(default="", init=False)
    # The sequence number of the next published message; 0 while confirms are off.
    _publish_seq: int = field(default=0, init=False)
    # A publish takes the long way: it is confirmed, or put off by a transaction, or traced.
    _answers: bool = field(default=False, init=False)
    _confirmed: list[int] = field(factory=list, init=False)
    _refused: list[int] = field(factory=list, init=False)
    # (group, first sequence number, how many, taken) of messages whose group is not durable yet
    _held_confirms: deque[tuple[int, int, int, bool]] = field(factory=deque, init=False)
    #: Confirms wait for `flush_confirms`, so that a face can coalesce those of one turn.
    coalesce_confirms: bool = field(default=False, init=False)
    _tx: Transaction | None = field(default=None, init=False)
    # When the next check for consumers that do not acknowledge is due; None while none is.
    _timeout_check_ms: int | None = field(default=None, init=False)
    # What cancels it: a channel that is closed is not to be kept for its sake.
    _timeout_timer: tuple[int, int] | None = field(default=None, init=False)
    # When deliveries expire; None until the first one that does.
    _leases: Leases | None = field(default=None, init=False)
    # When the next check for expired deliveries is due, and what cancels it; None while none is.
    _lease_timer: tuple[int, int] | None = field(default=None, init=False)
    # delivery tag -> None: expired, and not settled by the client since
    _expired: dict[int, None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.listener = self._given_listener or Callbacks(cast("Channel", self))
        self._host = self.connection.virtual_host
        self._access = self.connection.access
        self._now_ms = self.connection.broker.clock.now_ms
        self._max_body_bytes = self.connection.broker.profile.max_message_bytes

    @property
    def is_open(self) -> bool:
        """Whether the channel can be used."""
        return not self.closed

    @property
    def channel_number(self) -> int:
        """The channel's number, under pika's name."""
        return self.number

    def callbacks(self) -> Callbacks:
        """Return what callbacks are registered with.

        Raises:
            TypeError: the channel has a listener of its own.

        """
        if not isinstance(self.listener, Callbacks):
            raise TypeError("this channel has a listener; callbacks are for channels without one")
        return self.listener

    # -- errors and the end

    def check_open(self) -> None:
        """Refuse to work on a closed channel.

        Raises:
            ChannelWrongStateError: it is closed; the text says why.

        """
        if self.closed:
            raise ChannelWrongStateError(
                f"channel {self.number} is closed: {self.closed}; open a new one"
            )

    def fail(self, error: AMQPError, method: Method) -> AMQPError:
        """Close what an error closes, channel or connection; return the error, named."""
        error.at(method.class_id, method.method_id, method.name)
        if isinstance(error, ChannelClosedByBroker):
            self.terminate(error)
        else:
            self.connection.terminate(error)
        self.connection.broker.settle()
        return error

    def part_runs(self) -> None:
        """Make each message that was delivered in a run an entry of its own."""
        unacked = self._unacked
        for held in self._held_runs:
            unacked.update(enumerate(held.entries(), held.first_tag))
        self._held_runs.clear()

    def leave_queues(self) -> dict[Queue, list[QueuedMessage]]:
        """End all subscriptions; return what the channel holds of each queue it had to do with."""
        if self._held_runs:
            self.part_runs()
        if self._tx is not None:
            self._unacked = self._tx.restore(self._unacked)
        held: dict[Queue, list[QueuedMessage]] = {
            consumer.queue: [] for consumer in self._consumers.values()
        }
        for entry in self._unacked.values():
            held.setdefault(entry.queue, []).append(entry)
        self._unacked = {}
        self._consumers.clear()
        for queue in held:
            queue.receiver_left(cast("Channel", self))
        return held

    def terminate(
        self, error: AMQPError | None, held: dict[Queue, list[QueuedMessage]] | None = None
    ) -> None:
        """End the channel: consumers go, unacked messages return (S81), nothing is settled yet.

        `held` is what `leave_queues` returned, where that was called before.
        """
        if self.closed:
            return
        self.closed = str(error) if error else "it was closed"
        self.connection.channels.pop(self.number, None)
        if self._timeout_timer is not None:
            self.connection.broker.timers.cancel(self._timeout_timer)
        if self._lease_timer is not None:
            self.connection.broker.timers.cancel(self._lease_timer)
        if self._reply_consumer is not None:
            self.connection.broker.replies.remove(self._reply_consumer)
        if held is None:
            held = self.leave_queues()
        for queue, entries in held.items():
            if not queue.deleted:
                queue.take_back(entries)
        self.listener.closed(error)

    # -- names and rights

    def allow(self, action: Action, name: str, kind: str = "queue") -> None:
        """Refuse what the user may not do.

        Raises:
            AccessRefused: the permission is lacking.

        """
        access = self._access
        if not access.allows(action, name):
            what = f"{action} access" if self._names_permission() else "access"
            resource = self._host.describe(kind, name)
            raise AccessRefused(f"{what} to {resource} refused for user '{access.user.name}'")

    def allow_topic(self, action: Action, exchange: str, routing_key: str) -> None:
        """Refuse a routing key that the user may not use on a topic exchange.

        Raises:
            AccessRefused: the permission is lacking.

        """
        access = self._access
        if not access.allows_topic(action, exchange, routing_key):
            what = f"{action} access" if self._names_permission() else "access"
            resource = self._host.describe("exchange", exchange)
            raise AccessRefused(
                f"{what} to topic '{routing_key}' in {resource} refused for user"
                f" '{access.user.name}'"
            )

    def _names_permission(self) -> bool:
        return self.connection.broker.profile.names_refused_permission

    def expand_queue_name(self, name: str) -> str:
        """Return the queue meant: an empty name means the one declared last here (S12).

        Raises:
            NotFound: none was declared.

        """
        if name:
            return name
        if not self._last_queue:
            raise NotFound("no previously declared queue")
        return self._last_queue

    def find_queue(self, name: str) -> Queue:
        """Return the queue meant, if this connection may use it.

        Raises:
            NotFound: there is none.
            ResourceLocked: it is another connection's (S8).

        """
        queue = self._host.queue(self.expand_queue_name(name))
        self._host.check_exclusive(queue, self.connection)
        return queue


def amqp_method(
    method: Method,
) -> Callable[[Callable[Concatenate[C, P], R]], Callable[Concatenate[C, P], R]]:
    """Make a function of a channel an AMQP method: an error in it ends what AMQP says it ends.

    What the method set off (dead letters, callbacks) is done before it returns.
    """

    def decorate(call: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]:
        def checked(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
            self.check_open()
            try:
                result = call(self, *args, **kwargs)
            except AMQPError as error:
                raise self.fail(error, method) from None
            self.connection.broker.settle()
            return result

        functools.update_wrapper(checked, call)
        return checked

    return decorate


def strip_name(name: str) -> str:
    """Return a name as RabbitMQ takes it: without CR and LF (S21)."""
    if "\r" not in name and "\n" not in name:
        return name
    stripped = name.replace("\r", "").replace("\n", "")
    # Bytes that were not UTF-8 before may be it now that what stood between them is gone.
    return stripped.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def random_name(prefix: str, random: Random) -> str:
    """Return a name that nobody can guess, of the form of RabbitMQ's own: `amq.gen-…`."""
    tail = base64.urlsafe_b64encode(random.getrandbits(128).to_bytes(16, "big"))
    return f"{prefix}-{tail.decode().rstrip('=')}"
