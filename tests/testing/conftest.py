"""Real clients for the tests of the test kit."""

from __future__ import annotations

import contextlib
import gc
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pika
import pytest

from leveret.testing import Amqp, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def amqp() -> Iterator[Amqp]:
    """Give a broker, made without the plugin."""
    with Amqp(Settings()) as given:
        yield given


@pytest.fixture
def connect(amqp: Amqp) -> Iterator[Callable[..., Any]]:
    """Give what connects pika's blocking clients to the broker."""
    clients = []

    def make(name: str | None = None) -> Any:
        parameters = pika.URLParameters(amqp.url)
        if name is not None:
            parameters.client_properties = {"connection_name": name}
        client = pika.BlockingConnection(parameters)
        clients.append(client)
        return client

    yield make
    for client in clients:
        let_go(client)


def let_go(client: Any) -> None:
    """Close a client; pika leaves sockets of one that died to the garbage collector."""
    if client.is_open:
        with contextlib.suppress(pika.exceptions.AMQPError):
            client.close()
    client._cleanup()


def refused(url: str) -> str:
    """Return why a connection is refused; pika leaves the sockets of one to the collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            pika.BlockingConnection(pika.URLParameters(url)).close()
        except pika.exceptions.AMQPConnectionError as error:
            why = f"{type(error).__name__}: {error}"
        else:
            why = ""
        gc.collect()
    return why


@pytest.fixture
def refusal() -> Callable[[str], str]:
    """Give what says why a connection to a URL is refused; empty where it is not."""
    return refused


class Worker:
    """A consumer in a thread of its own: what it was delivered, and what it did with it."""

    def __init__(self, url: str, queue: str, handle: Callable[..., Any]) -> None:
        self.deliveries: list[tuple[bytes, bool]] = []
        self.ended: list[Exception] = []
        self._handle = handle
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.basic_consume(queue, self._deliver)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _deliver(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self.deliveries.append((body, method.redelivered))
        self._handle(channel, method, properties, body)

    def _run(self) -> None:
        try:
            self._channel.start_consuming()
        except (pika.exceptions.AMQPError, OSError) as error:
            self.ended.append(error)

    def stop(self) -> None:
        """End the worker; it may have ended by itself."""
        if self._connection.is_open:
            with contextlib.suppress(pika.exceptions.ConnectionWrongStateError):
                self._connection.add_callback_threadsafe(self._channel.stop_consuming)
        self._thread.join(5)
        let_go(self._connection)


@pytest.fixture
def work(amqp: Amqp) -> Iterator[Callable[..., Worker]]:
    """Give what starts workers."""
    workers: list[Worker] = []

    def start(queue: str, handle: Callable[..., Any]) -> Worker:
        workers.append(Worker(amqp.url, queue, handle))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()


def acknowledge(channel: Any, method: Any, properties: Any, body: bytes) -> None:
    """Handle a delivery by acknowledging it."""
    channel.basic_ack(method.delivery_tag)
