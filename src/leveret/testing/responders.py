"""Stub services: whatever asks a queue gets the answer that a test wrote down."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from leveret.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.broker import Broker
    from leveret.engine import Channel
    from leveret.engine.methods import Deliver

__all__ = ["Responder", "encoded"]


def encoded(body: Any) -> tuple[bytes, str | None]:
    """Return a body's bytes and its content type: bytes and text as they are, else JSON.

    Raises:
        TypeError: it is nothing that JSON can say.

    """
    if isinstance(body, bytes):
        return body, None
    if isinstance(body, str):
        return body.encode(), "text/plain"
    return json.dumps(body).encode(), "application/json"


class Responder:
    """Answers the requests that come to one queue, until it is stopped.

    `answer` is called with the body, and with the properties if it takes a second argument; what
    it returns (bytes, text, or anything JSON can say) is the reply. None is no reply. It is
    called by the server's thread; if it raises, the test fails at its end, with that error.
    """

    def __init__(self, queue: str, answer: Callable[..., Any]) -> None:
        self.queue = queue
        #: The bodies asked so far.
        self.requests: list[bytes] = []
        self._answer = answer
        self._wants_properties = _positional(answer) > 1
        self._channel: Channel | None = None

    def attach(self, broker: Broker) -> None:
        """Answer what comes to the queue in this broker; it is declared where it is missing."""
        self._channel = broker.channel()
        if self.queue not in broker.virtual_hosts["/"].queues:
            self._channel.queue_declare(self.queue, durable=True)
        self._channel.basic_consume(self.queue, self._asked, auto_ack=True)

    def _asked(self, channel: Channel, _: Deliver, properties: Properties, body: bytes) -> None:
        self.requests.append(body)
        arguments = (body, properties) if self._wants_properties else (body,)
        answer = self._answer(*arguments)
        if answer is None or properties.reply_to is None:
            return
        reply, content_type = encoded(answer)
        channel.basic_publish(
            "",
            properties.reply_to,
            reply,
            Properties(content_type=content_type, correlation_id=properties.correlation_id),
        )

    def stop(self) -> None:
        """Answer no more; the queue stays."""
        channel, self._channel = self._channel, None
        if channel is not None and channel.is_open:
            channel.close()

    @property
    def is_stopped(self) -> bool:
        """Whether it answers no more."""
        return self._channel is None

    def __enter__(self) -> Responder:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _positional(call: Callable[..., Any]) -> int:
    """Return how many arguments a call needs."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(call).parameters.values()
    except ValueError:  # some built-in functions have none to show
        return 1
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)
