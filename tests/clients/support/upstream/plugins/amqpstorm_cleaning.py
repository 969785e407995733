"""Sends AMQPStorm's tests to the broker's port, and cleans up over AMQP.

They delete what they declared through RabbitMQ's HTTP API, which is not what they are about.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

import amqpstorm
from amqpstorm.tests.functional import utility

PORT = int(os.environ["UPSTREAM_PORT"])
connect = amqpstorm.Connection.__init__
signature = inspect.signature(connect)


def _connect(self: Any, *arguments: Any, **named: Any) -> None:
    asked = signature.bind(self, *arguments, **named)
    asked.arguments.setdefault("port", PORT)
    connect(*asked.args, **asked.kwargs)


def _clean(names: list[str], queue: bool = False, exchange: bool = False) -> None:
    with amqpstorm.UriConnection(os.environ["AMQP_URI"]) as connection:
        channel = connection.channel()
        for name in names:
            if queue:
                channel.queue.delete(name)
            if exchange:
                channel.exchange.delete(name)


setattr(amqpstorm.Connection, "__init__", _connect)  # noqa: B010 - mypy minds the plain way
utility.clean = _clean
