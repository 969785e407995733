"""What is in the broker, looked at and not touched: messages, queues, consumers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.properties import FieldValue, Properties
    from leveret.queues import QueuedMessage

__all__ = ["MessageView", "QueueView", "Readable", "body_text"]

#: Bodies are shown up to this many characters.
_SHOWN = 60


def body_text(body: bytes) -> str:
    """Return a body for a person to read, shortened."""
    text = body.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


class Readable:
    """What any message shown to a test can be asked for."""

    __slots__ = ()

    if TYPE_CHECKING:
        exchange: str
        routing_key: str
        properties: Properties
        body: bytes

    @property
    def headers(self) -> Mapping[str, FieldValue]:
        """The headers; empty where there are none."""
        return self.properties.headers or {}

    @property
    def text(self) -> str:
        """The body as UTF-8 text.

        Raises:
            UnicodeDecodeError: it is none.

        """
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body read as JSON.

        Raises:
            ValueError: it is none.

        """
        return json.loads(self.body)


@frozen
class MessageView(Readable):
    """A message in a queue. `expires_at_ms` is on the broker's clock, None for never."""

    exchange: str
    routing_key: str
    properties: Properties
    body: bytes
    redelivered: bool
    expires_at_ms: int | None

    @classmethod
    def of(cls, entry: QueuedMessage) -> MessageView:
        """Return the view of a queue's entry."""
        message = entry.message
        return cls(
            message.exchange,
            message.routing_key,
            message.properties,
            message.body,
            entry.redelivered,
            entry.expires_at_ms,
        )


@frozen
class QueueView:
    """A queue as it was when it was asked for."""

    name: str
    #: Ready messages, in the order in which they will be delivered.
    messages: tuple[MessageView, ...] = field(repr=False)
    #: Messages that were delivered and are not settled.
    unacked: tuple[MessageView, ...] = field(repr=False)
    #: The tags of its consumers.
    consumers: tuple[str, ...]
    arguments: Mapping[str, FieldValue]

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of the ready messages."""
        return [message.body for message in self.messages]
