"""The face for asyncio: a broker in the running loop, with coroutines that wait, and workers."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import ExitStack, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Self, overload

from leveret.aio.consumer import Consumer, Inbox
from leveret.aio.delivery import Delayed, Delivery
from leveret.aio.tasks import wait_for
from leveret.aio.worker import Worker
from leveret.dead_letters import DeadLetterQueue
from leveret.durations import milliseconds
from leveret.errors import LeveretError
from leveret.server import Server
from leveret.service.core import Core, make_broker
from leveret.service.errors import BatchError
from leveret.service.publishing import Outgoing
from leveret.service.replay import stream_arguments
from leveret.service.statistics import ServiceStatistics
from leveret.service.subscribing import subscription_options

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
    from leveret.server.tls import TLS
    from leveret.service.calling import Reply
    from leveret.service.publishing import Publication
    from leveret.service.replay import Offset
    from leveret.service.retrying import Retry

__all__ = ["Service"]

logger = logging.getLogger("leveret.service")


class Service:
    """A broker that is open in the running loop; time is real, and things happen when due.

    Made by `leveret.aio.open`, and opened by `async with` (or `start`). Timeouts count on the
    broker's clock. Leaving it closes, which waits for the handlers at work. Whatever waits may be
    cancelled.
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
        self._make_broker = partial(
            make_broker, source, data=data, clock=clock, profile=profile, seed=seed
        )
        self._virtual_host = virtual_host
        self._limits = limits
        self._observers = tuple(observers)
        self._on_alert = on_alert
        self._core: Core
        self._workers: list[Worker] = []
        self._closed: asyncio.Future[None] | None = None

    async def start(self) -> Self:
        """Open the broker in the running loop; `async with` does this.

        Raises:
            TopologyError: the file has faults.
            StorageError: the data directory cannot be used.

        """
        # What a long recovery reads from the disk is read in a thread; nobody uses the broker yet.
        broker, topology = await asyncio.to_thread(self._make_broker)
        with ExitStack() as undoing:
            undoing.callback(broker.close)
            server = Server(broker, limits=self._limits)
            server.begin()
            self._core = Core(
                broker, server, nullcontext(), topology, self._virtual_host, self._observers
            )
            self._core.watch(self._on_alert)
            undoing.pop_all()
        return self

    @property
    def engine(self) -> Broker:
        """The broker itself, which belongs to the loop."""
        return self._core.broker

    # -- publishing

    async def publish(
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
        """Publish a message; return when the broker has it. See `leveret.Service.publish`.

        Cancelled while it waits for room, nothing of it was done.

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
            publication = core.publish(outgoing, message)
            if not publication.done or publication.error is not None:
                timeout_ms = None if timeout is None else milliseconds(timeout)
                await wait_for(publication, timeout_ms)
        return self._delayed(publication)

    async def publish_many(
        self,
        messages: Iterable[Outgoing | tuple[str, str, Body]],
        *,
        timeout: Duration | None = None,
    ) -> list[Delayed | None]:
        """Publish messages in order, and return when the broker has them all.

        See `leveret.Service.publish_many`.

        Raises:
            BatchError: some were not taken; it says which and why. The others were.

        """
        core = self._core
        publications = [core.send(each) for each in messages]
        deadline_ms = None if timeout is None else core.now_ms + milliseconds(timeout)
        failures: dict[int, LeveretError] = {}
        try:
            for number, publication in enumerate(publications):
                left_ms = None if deadline_ms is None else max(deadline_ms - core.now_ms, 0)
                try:
                    await wait_for(publication, left_ms)
                except LeveretError as error:
                    failures[number] = error
        except asyncio.CancelledError:
            for publication in publications:
                if not publication.done:
                    publication.cancel()
            raise
        if failures:
            raise BatchError(failures, len(publications))
        return [self._delayed(publication) for publication in publications]

    def _delayed(self, publication: Publication) -> Delayed | None:
        if publication.held is None:
            return None
        return Delayed(publication.held, publication.due_ms, self._core)

    # -- getting and consuming

    async def get(
        self,
        queue: str,
        *,
        timeout: Duration | None = None,
        auto_ack: bool = False,
    ) -> Delivery | None:
        """Take one message; without one, wait for it up to `timeout`, or return None at once.

        Raises:
            NotFound: there is no such queue.
            ServiceClosedError: the service is closed.

        """
        core = self._core
        delivery: Delivery | None = core.get(queue, Delivery, auto_ack)
        if delivery is not None or timeout is None:
            return delivery
        getting = core.wait_for_one(queue, Delivery, auto_ack, milliseconds(timeout))
        await wait_for(getting, None)
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
        """Return deliveries for `async for`, with up to `prefetch` on their way or in hand.

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
        return Inbox(self._core, queue, Delivery, prefetch, auto_ack, given)

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
        """Have a handler called for each message of a queue, in `concurrency` tasks.

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
            self._inbox, queue, prefetch or 2 * concurrency, False, visibility_timeout, arguments
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
        options = subscription_options(self._core, name)
        return self.worker(handler=handler, name=name, idempotency=idempotency, **options)

    # -- requests

    async def call(
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
        calling = self._core.call(name, body, headers, timeout)
        await wait_for(calling, None)
        assert calling.reply is not None
        return calling.reply

    @overload
    async def serve(
        self, name: str, handler: Callable[[Delivery], Any], /, *, concurrency: int = 1
    ) -> Worker: ...

    @overload
    async def serve(
        self,
        port: int = 5672,
        host: str = "127.0.0.1",
        *,
        tls: TLS | None = None,
        unix_socket: str | Path | None = None,
    ) -> Server: ...

    async def serve(
        self,
        port: int | str = 5672,
        host: Any = "127.0.0.1",
        *,
        concurrency: int = 1,
        tls: TLS | None = None,
        unix_socket: str | Path | None = None,
    ) -> Worker | Server:
        """Answer requests, given a name and a handler; or serve AMQP clients, given a port.

        See `leveret.Service.serve`.

        Raises:
            NotFound: there is no such queue.
            ValueError: requests of that name arrive in no queue, or in several.
            OSError: the address cannot be listened on.

        """
        if isinstance(port, str):
            queue = self._core.request_queue(port)
            return self._start(queue, host, concurrency, None, None, None, None, port, True)
        await self._core.server.start(host, port, tls=tls)
        if unix_socket is not None:
            await self._core.server.start_unix(unix_socket)
        return self._core.server

    # -- looking

    def explain(
        self, exchange: str, routing_key: str, properties: Properties | None = None
    ) -> RouteTrace:
        """Say where a message would go, and why not elsewhere; see `Broker.explain`."""
        return self._core.broker.explain(exchange, routing_key, properties, self._core.virtual_host)

    def statistics(self) -> ServiceStatistics:
        """Return the figures of the broker and of the workers as they are now."""
        workers = tuple(worker.statistics() for worker in self._workers)
        return ServiceStatistics(self._core.broker.statistics(), self._core.virtual_host, workers)

    def dead_letters(self, queue: str) -> DeadLetterQueue:
        """Return the dead letters in a queue; its calls are no coroutines, and never wait."""
        return DeadLetterQueue(self._core.broker, queue, self._core.virtual_host)

    def channel(self) -> Channel:
        """Open a channel, with pika's method names; see `Broker.channel`."""
        return self._core.broker.channel(self._core.virtual_host)

    # -- the end

    async def run(self, signals: Sequence[int] = (signal.SIGINT, signal.SIGTERM)) -> None:
        """Wait for a signal, then close; a second one forces. For the loop of the main thread."""
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()

        def heard(number: int) -> None:
            if asked.is_set():
                self.force()
            asked.set()
            logger.info("signal %d: closing; a second one forces", number)

        for number in signals:
            loop.add_signal_handler(number, heard, number)
        try:
            await asked.wait()
            await self.close()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def force(self) -> None:
        """Have a `close` under way wait for no handler any longer."""
        for worker in self._workers:
            worker.force()

    async def close(
        self,
        timeout: Duration | None = None,
    ) -> None:
        """Take nothing new, wait for the handlers at work, ack, flush, and let go of the data.

        After `timeout` it cancels them: what they hold goes back to its queue, and comes again.
        Closing twice does nothing.

        Raises:
            StorageError: what was done last could not be written.

        """
        if self._closed is not None:
            await asyncio.shield(self._closed)
            return
        self._closed = asyncio.ensure_future(self._close(timeout))
        await asyncio.shield(self._closed)

    async def _close(self, timeout: Duration | None) -> None:
        limit = None if timeout is None else milliseconds(timeout) / 1000
        for worker in self._workers:
            worker.begin_to_stop()
        await asyncio.gather(*(worker.stop(limit) for worker in self._workers))
        self._core.close()
        await self._core.server.stop()
        self._core.broker.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()
