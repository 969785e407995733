"""What the face for threads and the face for asyncio have in common: one broker, one meaning.

Nothing here waits. Everything is called under `lock`: the thread's turn lock, or none where one
event loop is alone with the broker.
"""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field

from leveret.durations import milliseconds
from leveret.service.calling import Calling, reply_message
from leveret.service.consuming import Getting, Subscription
from leveret.service.errors import ServiceClosedError
from leveret.service.ordering import partitions
from leveret.service.publishing import Outgoing, OwnChannel, Publication, Publisher
from leveret.service.retrying import Failures
from leveret.service.working import Work

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from leveret.alerts import Alerts, AlertState
    from leveret.bodies import Body
    from leveret.broker import Broker
    from leveret.clock import Clock
    from leveret.config import Alert, Topology
    from leveret.durations import Duration
    from leveret.engine import Channel, Connection
    from leveret.engine.callbacks import Callbacks
    from leveret.engine.requests import Requests
    from leveret.idempotency import Idempotency, Seen
    from leveret.properties import FieldValue
    from leveret.queues import Message, Queue
    from leveret.server import Server
    from leveret.service.received import Received
    from leveret.service.retrying import Retry

__all__ = ["Core", "make_broker"]


def make_broker(
    source: Any,
    *,
    data: str | os.PathLike[str] | None,
    clock: Clock | None,
    profile: str | None,
    seed: int | None,
) -> tuple[Broker, Topology | None]:
    """Return a broker with what `source` declares in it, and the topology where there is one.

    Raises:
        TopologyError: the file has faults, or declares something that the broker refuses.
        StorageError: the data directory cannot be used, or is damaged.
        TypeError: `source` is nothing that a broker can be made from.

    """
    from leveret import broker as face
    from leveret import config

    if isinstance(source, face.Broker):
        if (data, clock, profile, seed) != (None, None, None, None):
            raise TypeError("a broker has its data, clock, profile and seed already")
        return source, None
    if source is None:
        return face.Broker(profile or "4.2", clock, seed, data=data), None
    if isinstance(source, str | Path) or hasattr(source, "__fspath__"):
        source = config.load(source)
    if not isinstance(source, config.Topology):
        raise TypeError(f"a service is opened from a file, a topology or a broker, not {source!r}")
    made = face.Broker.from_topology(source, profile=profile, clock=clock, seed=seed, data=data)
    return made, source


class _AtOnce(deque[Any]):
    """An outbox whose calls are made as they come: for callbacks that only note down."""

    def append(self, call: Callable[[], object]) -> None:
        """Make the call."""
        call()


@define(eq=False, repr=False)
class Core:
    """One open broker, with a connection of its own to one of its virtual hosts."""

    broker: Broker
    server: Server
    lock: AbstractContextManager[object]
    topology: Topology | None = None
    virtual_host: str = "/"
    #: Told of publishes and handlers; see `leveret.service`.
    observers: tuple[Any, ...] = ()
    connection: Connection = field(init=False)
    publisher: Publisher = field(init=False)
    # subscription -> None, in the order of their beginning
    subscriptions: dict[Subscription[Any], None] = field(factory=dict, init=False)
    alerts: Alerts | None = field(default=None, init=False)
    closing: bool = field(default=False, init=False)
    _getting: Channel | None = field(default=None, init=False)
    _requests: Requests | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.connection = self.broker.connect(self.virtual_host)
        self.connection.channel_type = OwnChannel
        self.publisher = Publisher(self.connection, self.server)

    def watch(
        self, on_alert: Callable[[Alert, AlertState, int | None], object] | None = None
    ) -> None:
        """Watch what the file's `alerts` say."""
        host = self.topology.virtual_hosts.get(self.virtual_host) if self.topology else None
        if host is not None and host.alerts:
            from leveret.alerts import Alerts

            self.alerts = Alerts(self.broker, host.alerts.values(), on_alert, self.virtual_host)
            self.alerts.start()

    def check_open(self) -> None:
        """Refuse what is new while the service closes.

        Raises:
            ServiceClosedError: it is closed, or is closing.

        """
        if self.closing:
            raise ServiceClosedError("the service is closed, or is closing and takes nothing new")

    # -- publishing

    def sending(self, outgoing: Outgoing) -> AbstractContextManager[dict[str, FieldValue] | None]:
        """Return the context to publish in: its headers, with what observers add to them."""
        if not self.observers:
            return nullcontext(outgoing.all_headers() or None)
        return self._observed_sending(outgoing)

    @contextmanager
    def _observed_sending(self, outgoing: Outgoing) -> Iterator[dict[str, FieldValue] | None]:
        headers = outgoing.all_headers()
        with ExitStack() as contexts:
            for observer in self.observers:
                publishing = getattr(observer, "publishing", None)
                if publishing is not None:
                    context = publishing(outgoing.exchange, outgoing.routing_key, headers)
                    contexts.enter_context(context)
            yield headers or None

    def publish(self, outgoing: Outgoing, message: Message) -> Publication:
        """Publish a message as soon as that can be.

        One to a partitioned queue, by its name, goes to the exchange that knows its parts.
        """
        if not message.exchange and self.partitions(message.routing_key):
            message.exchange = message.routing_key
        if message.properties.message_id is None:
            message.properties.message_id = f"{self.broker.random.getrandbits(128):032x}"
        return self.publisher.publish(message, outgoing.mandatory, outgoing.delay_ms)

    def send(self, each: Outgoing | tuple[str, str, Body]) -> Publication:
        """Publish one message of a batch: an `Outgoing`, or exchange, routing key and body."""
        outgoing = each if isinstance(each, Outgoing) else Outgoing(*each)
        with self.sending(outgoing) as headers:
            return self.publish(outgoing, outgoing.message(headers))

    def cancel_delayed(self, held: int) -> bool:
        """Drop a message that is held back; say whether it was held still."""
        return self.connection.virtual_host.delays.cancel(held)

    # -- getting and consuming

    def get(self, queue: str, make: Callable[..., Received], auto_ack: bool) -> Any:
        """Return a delivery where there is one, or None.

        Raises:
            AMQPError: the broker refuses, as where there is no such queue.

        """
        self.check_open()
        if self._getting is None or self._getting.closed:
            self._getting = self.connection.channel()
        taken = self._getting.take(queue, auto_ack)
        if taken is None:
            return None
        tag, redelivered, message, _ = taken
        delivery = make(message, _Got(self._getting), tag, redelivered, queue)
        if auto_ack:
            delivery.settled = "acked"
        return delivery

    def wait_for_one(
        self, queue: str, make: Callable[..., Any], auto_ack: bool, timeout_ms: int
    ) -> Getting[Any]:
        """Begin to wait for a message of an empty queue."""
        getting: Getting[Any] = Getting(self.broker)
        getting.subscription = Subscription(
            self, queue, make, getting.got, getting.finish, prefetch=1, auto_ack=auto_ack
        )
        getting.subscription.start()
        self.broker.settle()
        if not getting.done:
            getting.end_after(timeout_ms)
        return getting

    def queue(self, name: str) -> Queue:
        """Return a queue.

        Raises:
            NotFound: there is none of that name.

        """
        return self.connection.virtual_host.queue(name)

    def partitions(self, name: str) -> tuple[str, ...]:
        """Return the parts of a partitioned queue; () where `name` is none."""
        return partitions(self.connection.virtual_host, name)

    # -- requests

    def call(
        self,
        name: str,
        body: Body,
        headers: Mapping[str, FieldValue] | None,
        timeout: Duration | None,
    ) -> Calling:
        """Send a request to a name of the file's `requests`, or to a queue.

        Raises:
            AMQPError: the broker refuses the request.

        """
        self.check_open()
        if self._requests is None or self._requests.channel.closed:
            channel = self.connection.channel()
            cast("Callbacks", channel.listener).outbox = _AtOnce()
            from leveret.engine.requests import Requests

            self._requests = Requests(channel)
        exchange, routing_key, timeout_ms = self.request_address(name)
        if timeout is not None:
            timeout_ms = milliseconds(timeout)
        calling = Calling(self.broker)
        with self.sending(Outgoing(exchange, routing_key, body, headers)) as sent:
            calling.begin(self._requests, exchange, routing_key, body, sent, timeout_ms)
        return calling

    def request_address(self, name: str) -> tuple[str, str, int | None]:
        """Return exchange, routing key and timeout in milliseconds of a request's name."""
        if self.topology is not None:
            host = self.topology.virtual_hosts.get(self.virtual_host)
            request = host.requests.get(name) if host is not None else None
            if request is not None:
                return request.exchange, request.routing_key, request.timeout_ms
        return "", name, None

    def request_queue(self, name: str) -> str:
        """Return the queue where requests of a name arrive.

        Raises:
            ValueError: they arrive in none, or in several.
            NotFound: there is no such exchange or queue.

        """
        exchange, routing_key, _ = self.request_address(name)
        host = self.connection.virtual_host
        host.exchange(exchange)
        queues = [queue.name for queue in host.router.route(exchange, routing_key, None)]
        if len(queues) != 1 and not exchange:
            host.queue(routing_key)
        if len(queues) != 1:
            found = f"in {', '.join(map(repr, queues))}" if queues else "in no queue"
            raise ValueError(
                f"requests '{name}' (exchange '{exchange}', routing key '{routing_key}') arrive"
                f" {found}; bind exactly one, or serve the queue by its own name"
            )
        return queues[0]

    def reply(self, delivery: Received, result: Body, error: Exception | None) -> None:
        """Send a reply to who made a request; one that asked for none gets none."""
        message = reply_message(delivery, result, error)
        if message is not None:
            self.publisher.publish(message)

    # -- handling

    @property
    def now_ms(self) -> int:
        """The present on the broker's clock."""
        return self.broker.clock.now_ms()

    def work(
        self,
        queue: str,
        name: str | None,
        concurrency: int,
        retry: Retry | None,
        dead_letter: str | None,
        *,
        replies: bool = False,
        idempotency: Idempotency | Seen | None = None,
    ) -> Work:
        """Prepare the work of a worker.

        Raises:
            NotFound: a queue that is named does not exist.
            ValueError: a number makes no sense.

        """
        self.check_open()
        if concurrency < 1:
            raise ValueError(f"a worker has a concurrency of 1 or more, not {concurrency}")
        if not self.partitions(queue) and self.queue(queue).settings.type == "stream" and retry:
            raise ValueError(
                f"queue '{queue}' is a stream, whose messages stay where they are: none is put back"
                " to be tried again. Leave out 'retry', and name a queue as 'dead_letter'"
            )
        if dead_letter is not None:
            self.queue(dead_letter)
        failures = Failures(self, queue, retry, dead_letter)
        once = None
        if idempotency is not None:
            from leveret.idempotency import Idempotency

            once = Idempotency.of(idempotency)
        return Work(self, name or queue, queue, concurrency, failures, replies, once)

    def observed(self, delivery: Received, queue: str, contexts: ExitStack) -> None:
        """Have observers see that a handler is at work, as long as `contexts` last."""
        for observer in self.observers:
            handling = getattr(observer, "handling", None)
            if handling is not None:
                contexts.enter_context(handling(delivery, queue))

    # -- the end

    def close(self) -> None:
        """End everything that waits or is held; what is not settled goes back to its queue."""
        self.closing = True
        if self.alerts is not None:
            self.alerts.stop()
        self.publisher.close()
        for subscription in list(self.subscriptions):
            subscription.close()
        if self.connection.is_open:
            self.connection.close()


@define(eq=False, repr=False)
class _Got:
    """The source of what was taken one by one."""

    channel: Channel

    def settled(self) -> None:
        """Nothing is to be done: the channel stays."""
