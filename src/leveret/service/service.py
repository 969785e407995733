"""The face for threads: a broker in this process, with calls that wait, and workers."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, overload

from leveret.dead_letters import DeadLetterQueue
from leveret.durations import milliseconds
from leveret.errors import LeveretError
from leveret.server.background import keep_in_thread
from leveret.service.consumer import Consumer, Inbox
from leveret.service.core import Core, make_broker
from leveret.service.delivery import Delayed, Delivery
from leveret.service.errors import BatchError
from leveret.service.publishing import Outgoing
from leveret.service.replay import stream_arguments
from leveret.service.statistics import ServiceStatistics
from leveret.service.subscribing import subscription_options
from leveret.service.threads import wait_for
from leveret.service.worker import Worker

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from leveret.alerts import AlertState
    from leveret.bodies import Body
    from leveret.broker import Broker
    from leveret.clock import Clock
    from leveret.config import Alert, Topology
    from leveret.durations import Duration
    from leveret.engine import Channel
    from leveret.exchanges import RouteTrace
    from leveret.idempotency import Idempotency, Seen
    from leveret.properties import FieldTable, FieldValue, Properties
    from leveret.server import ServerLimits
    from leveret.server.background import RunningServer
    from leveret.server.tls import TLS
    from leveret.service.calling import Reply
    from leveret.service.publishing import Publication
    from leveret.service.replay import Offset
    from leveret.service.retrying import Retry

__all__ = ["Service"]

#: Messages of a batch that are published in one turn, before another thread has one.
_TURN = 50

logger = logging.getLogger("leveret.service")


class Service:
    """A broker that is open: any thread may use it; time is real, and things happen when due.

    Made by `leveret.open`. Timeouts count on the broker's clock. It is a context manager: leaving
    it closes, which waits for the handlers at work.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Topology | Broker | None = None,
        *,
        data: str | os.PathLike[str] | None = None,
        virtual_host: str = "/",
        clock: Clock | None = None,
        profile: str | None = None,
        seed: int | None = None,
        limits: ServerLimits | None = None,
        observers: Sequence[object] = (),
        on_alert: Callable[[Alert, AlertState, int | None], object] | None = None,
    ) -> None:
        broker, topology = make_broker(source, data=data, clock=clock, profile=profile, seed=seed)
        with ExitStack() as undoing:
            undoing.callback(broker.close)
            self._running = keep_in_thread(broker, limits=limits)
            undoing.callback(self._running.close)
            with self._running.lock:
                self._core = Core(
                    broker,
                    self._running.server,
                    self._running.lock,
                    topology,
                    virtual_host,
                    tuple(observers),
                )
                self._core.watch(on_alert)
            undoing.pop_all()
        self._make = partial(Delivery, lock=self._running.lock)
        self._workers: list[Worker] = []
        self._forced = threading.Event()
        self._closed = threading.Event()
        self._closing = threading.Lock()

    @property
    def engine(self) -> Broker:
        """The broker itself, whose calls hold the lock while it is open here."""
        return self._core.broker

    @property
    def lock(self) -> Any:
        """Held for each turn: hold it, not for long, around several calls that belong together."""
        return self._core.lock

    # -- publishing

    def publish(
        self,
        exchange: str,
        routing_key: str = "",
        body: Body = b"",
        *,
        headers: Mapping[str, FieldValue] | None = None,
        properties: Properties | None = None,
        mandatory: bool = False,
        persistent: bool = True,
        delay: Duration | None = None,
        timeout: Duration | None = None,
    ) -> Delayed | None:
        """Publish a message; return when the broker has it, with `data` on the disk.

        While a queue it goes to is full (`overflow: reject-publish`), or publishers are stopped for
        want of memory or disk, it waits, up to `timeout`; then nothing of it was done. `delay` has
        the broker hold it back, and returns what cancels that. `mandatory` refuses a message that
        no queue takes. A body may be bytes, text, or anything for JSON.

        Raises:
            PublishTimeoutError: the broker could not take it in time.
            UnroutableError: it is `mandatory` and no queue takes it.
            RefusedError: a queue does not take it.
            AMQPError: the broker refuses it, as where there is no such exchange.
            TypeError: the body has no form.

        """
        delay_ms = None if delay is None else milliseconds(delay)
        outgoing = Outgoing(
            exchange, routing_key, body, headers, properties, mandatory, persistent, delay_ms
        )
        core = self._core
        with core.sending(outgoing) as all_headers:
            message = outgoing.message(all_headers)
            with core.lock:
                publication = core.publish(outgoing, message)
            if not publication.done or publication.error is not None:
                timeout_ms = None if timeout is None else milliseconds(timeout)
                wait_for(core, publication, timeout_ms)
        return self._delayed(publication)

    def publish_many(
        self,
        messages: Iterable[Outgoing | tuple[str, str, Body]],
        *,
        timeout: Duration | None = None,
    ) -> list[Delayed | None]:
        """Publish messages in order, and return when the broker has them all.

        Each is an `Outgoing`, or exchange, routing key and body. With `data` they share their way
        to the disk. `timeout` is for all together.

        Raises:
            BatchError: some were not taken; it says which and why. The others were.

        """
        core = self._core
        publications: list[Publication] = []
        remaining = iter(messages)
        while batch := list(islice(remaining, _TURN)):
            with core.lock:
                publications += map(core.send, batch)
        deadline_ms = None if timeout is None else core.now_ms + milliseconds(timeout)
        failures: dict[int, LeveretError] = {}
        for number, publication in enumerate(publications):
            left_ms = None if deadline_ms is None else max(deadline_ms - core.now_ms, 0)
            try:
                wait_for(core, publication, left_ms)
            except LeveretError as error:
                failures[number] = error
        if failures:
            raise BatchError(failures, len(publications))
        return [self._delayed(publication) for publication in publications]

    def _delayed(self, publication: Publication) -> Delayed | None:
        if publication.held is None:
            return None
        return Delayed(publication.held, publication.due_ms, self._core)

    # -- getting and consuming

    def get(
        self, queue: str, *, timeout: Duration | None = None, auto_ack: bool = False
    ) -> Delivery | None:
        """Take one message; without one, wait for it up to `timeout`, or return None at once.

        Raises:
            NotFound: there is no such queue.
            ServiceClosedError: the service is closed.

        """
        core = self._core
        with core.lock:
            delivery: Delivery | None = core.get(queue, self._make, auto_ack)
            if delivery is not None or timeout is None:
                return delivery
            getting = core.wait_for_one(queue, self._make, auto_ack, milliseconds(timeout))
        wait_for(core, getting, None)
        return getting.delivery

    def consume(
        self,
        queue: str,
        prefetch: int = 20,
        *,
        auto_ack: bool = False,
        timeout: Duration | None = None,
        offset: Offset | None = None,
        group: str | None = None,
        visibility_timeout: Duration | None = None,
        arguments: FieldTable | None = None,
    ) -> Consumer:
        """Return deliveries to loop over, with up to `prefetch` on their way or in hand.

        The loop ends when nothing came for `timeout` of real time, or at the end of the service. Of
        a stream, `offset` says where to begin ("first", "last", "next", an offset, a datetime, "1h"
        ago), and `group` goes on behind what it acknowledged before.

        Raises:
            NotFound: there is no such queue.
            AMQPError: the broker refuses it.
            ValueError: the offset is none.

        """
        arguments = {**(arguments or {}), **stream_arguments(offset, group)}
        inbox = self._inbox(queue, prefetch, auto_ack, visibility_timeout, arguments)
        return Consumer(inbox, None if timeout is None else milliseconds(timeout) / 1000)

    def _inbox(
        self,
        queue: str,
        prefetch: int,
        auto_ack: bool = False,
        visibility_timeout: Duration | None = None,
        arguments: FieldTable | None = None,
    ) -> Inbox:
        given = dict(arguments or {})
        if visibility_timeout is not None:
            given["x-visibility-timeout"] = milliseconds(visibility_timeout)
        return Inbox(self._core, queue, self._make, prefetch, auto_ack, given)

    # -- workers

    def worker(
        self,
        queue: str,
        handler: Callable[[Delivery], Any],
        *,
        concurrency: int = 1,
        prefetch: int | None = None,
        retry: Retry | None = None,
        dead_letter: str | None = None,
        visibility_timeout: Duration | None = None,
        offset: Offset | None = None,
        group: str | None = None,
        idempotency: Idempotency | Seen | None = None,
        name: str | None = None,
    ) -> Worker:
        """Have a handler called for each message of a queue, in `concurrency` threads.

        `prefetch` is by default twice the concurrency. A message whose handler fails is tried again
        as `retry` says, and then put into the queue `dead_letter`, or rejected. With `idempotency`
        (see `leveret.idempotency`) a message that was handled before is acked and passed over.
        `offset` and `group` are for streams, as in `consume`; a stream's messages cannot be
        retried.

        Raises:
            NotFound: there is no such queue.
            ValueError: a number or an offset makes no sense, or `retry` on a stream.

        """
        arguments = stream_arguments(offset, group)
        return self._start(
            *(queue, handler, concurrency, prefetch, retry, dead_letter, visibility_timeout, name),
            arguments=arguments,
            idempotency=idempotency,
        )

    def _start(
        self,
        queue: str,
        handler: Callable[[Delivery], Any],
        concurrency: int,
        prefetch: int | None,
        retry: Retry | None,
        dead_letter: str | None,
        visibility_timeout: Duration | None,
        name: str | None,
        replies: bool = False,
        arguments: FieldTable | None = None,
        idempotency: Idempotency | Seen | None = None,
    ) -> Worker:
        core = self._core
        with core.lock:
            work = core.work(
                queue,
                name,
                concurrency,
                retry,
                dead_letter,
                replies=replies,
                idempotency=idempotency,
            )
            open_inbox = partial(
                self._inbox,
                queue,
                prefetch or 2 * concurrency,
                False,
                visibility_timeout,
                arguments,
            )
            worker = Worker(work, handler, open_inbox)
            self._workers.append(worker)
        return worker

    def subscribe(
        self,
        name: str,
        handler: Callable[[Delivery], Any],
        *,
        idempotency: Idempotency | Seen | None = None,
    ) -> Worker:
        """Start the worker that the topology file's `subscriptions` describe under a name.

        Raises:
            KeyError: the file has no such subscription.

        """
        with self._core.lock:
            options = subscription_options(self._core, name)
        return self.worker(handler=handler, name=name, idempotency=idempotency, **options)

    # -- requests

    def call(
        self,
        name: str,
        body: Body = b"",
        *,
        headers: Mapping[str, FieldValue] | None = None,
        timeout: Duration | None = None,
    ) -> Reply:
        """Send a request and wait for its reply.

        `name` is one of the file's `requests`, or a queue. Without `timeout` the file's counts.

        Raises:
            RequestTimeoutError: no reply came in time.
            RequestUnroutableError: nobody could take the request.
            CallFailedError: the handler raised an error.

        """
        core = self._core
        with core.lock:
            calling = core.call(name, body, headers, timeout)
        wait_for(core, calling, None)
        assert calling.reply is not None
        return calling.reply

    @overload
    def serve(
        self, name: str, handler: Callable[[Delivery], Any], /, *, concurrency: int = 1
    ) -> Worker: ...

    @overload
    def serve(
        self,
        port: int = 5672,
        host: str = "127.0.0.1",
        *,
        tls: TLS | None = None,
        unix_socket: str | Path | None = None,
    ) -> RunningServer: ...

    def serve(
        self,
        port: int | str = 5672,
        host: Any = "127.0.0.1",
        *,
        concurrency: int = 1,
        tls: TLS | None = None,
        unix_socket: str | Path | None = None,
    ) -> Worker | RunningServer:
        """Answer requests, given a name and a handler; or serve AMQP clients, given a port.

        A handler's result is the reply; an error is raised at the caller as `CallFailedError`. The
        name is one of the file's `requests`, or a queue. Port 0 takes a free one; the `url` of what
        is returned says which.

        Raises:
            NotFound: there is no such queue.
            ValueError: requests of that name arrive in no queue, or in several.
            OSError: the address cannot be listened on.

        """
        if isinstance(port, str):
            with self._core.lock:
                queue = self._core.request_queue(port)
            return self._start(queue, host, concurrency, None, None, None, None, port, True)
        self._running.listen(port, host, tls=tls, unix_socket=unix_socket)
        return self._running

    # -- looking

    def explain(
        self, exchange: str, routing_key: str, properties: Properties | None = None
    ) -> RouteTrace:
        """Say where a message would go, and why not elsewhere; see `Broker.explain`."""
        return self._core.broker.explain(exchange, routing_key, properties, self._core.virtual_host)

    def statistics(self) -> ServiceStatistics:
        """Return the figures of the broker and of the workers as they are now."""
        with self._core.lock:
            workers = tuple(worker.statistics() for worker in self._workers)
            return ServiceStatistics(
                self._core.broker.statistics(), self._core.virtual_host, workers
            )

    def dead_letters(self, queue: str) -> DeadLetterQueue:
        """Return the dead letters in a queue, to list, show and redrive."""
        core = self._core
        return DeadLetterQueue(core.broker, queue, core.virtual_host, core.lock)

    def channel(self) -> Channel:
        """Open a channel, with pika's method names; see `Broker.channel`."""
        return self._core.broker.channel(self._core.virtual_host)

    # -- the end

    def run(self, signals: Sequence[int] = (signal.SIGINT, signal.SIGTERM)) -> None:
        """Wait for a signal, then close; a second one forces. For the main thread.

        Raises:
            ValueError: called by another thread.

        """
        asked = threading.Event()

        def heard(number: int, frame: object) -> None:
            if asked.is_set():
                self.force()
            asked.set()
            logger.info("signal %d: closing; a second one forces", number)

        before = {number: signal.signal(number, heard) for number in signals}
        try:
            while not asked.wait(1):  # in steps, for systems where a wait hides signals
                if self._closed.is_set():
                    return
            self.close()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def force(self) -> None:
        """Have a `close` under way wait for no handler any longer."""
        self._forced.set()
        for worker in self._workers:
            worker.drained.set()

    def close(self, timeout: Duration | None = None) -> None:
        """Take nothing new, wait for the handlers at work, ack, flush, and let go of the data.

        After `timeout` it no longer waits: what such handlers hold goes back to its queue, and
        comes again. Closing twice does nothing.

        Raises:
            StorageError: what was done last could not be written.

        """
        with self._closing:
            if self._closed.is_set():
                return
            deadline = None if timeout is None else milliseconds(timeout) / 1000
            for worker in self._workers:
                worker.begin_to_stop()
            for worker in self._workers:
                if not self._forced.is_set():
                    worker.stop(deadline)
            with self._core.lock:
                self._core.close()
            self._running.close()
            self._closed.set()
            self._core.broker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
