"""A broker served by a thread, and clients of it: pika, and bare sockets that may misbehave."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pika
import pytest
from amqp_clients import RawClient

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leveret.server.background import RunningServer


class Serve(Protocol):
    """Serves the test's broker; arguments are those of `Broker.serve`."""

    def __call__(self, **arguments: Any) -> RunningServer: ...


@pytest.fixture
def broker() -> leveret.Broker:
    """Make a broker in real time."""
    return leveret.Broker()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Collect what is to be closed at the end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(broker: leveret.Broker, stack: ExitStack) -> Serve:
    """Return what serves the broker on a free port until the test ends."""

    def start(**arguments: Any) -> RunningServer:
        return stack.enter_context(broker.serve(port=0, **arguments))

    return start


@pytest.fixture
def connect(stack: ExitStack) -> Callable[[RunningServer], pika.BlockingConnection]:
    """Return what opens a pika connection that is closed at the end, if it still can be."""

    def open_connection(server: RunningServer) -> pika.BlockingConnection:
        connection = pika.BlockingConnection(pika.URLParameters(server.url))
        stack.callback(lambda: connection.is_open and connection.close())
        return connection

    return open_connection


@pytest.fixture
def raw(stack: ExitStack) -> Callable[[RunningServer], RawClient]:
    """Return what connects a bare socket that is closed at the end."""

    def open_socket(server: RunningServer) -> RawClient:
        return stack.enter_context(RawClient(socket.create_connection(("127.0.0.1", server.port))))

    return open_socket
