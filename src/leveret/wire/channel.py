"""A channel as its client sees it: the engine's channel, and what it has to tell, in frames."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from leveret.errors import ChannelClosedByBroker
from leveret.wire.content import WireMessage, encode_header
from leveret.wire.fields import encode_short_string
from leveret.wire.frames import (
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEADERS,
    FRAME_METHOD,
    OVERHEAD,
    body_frames,
    method_frame,
)

if TYPE_CHECKING:
    from leveret.engine import Channel
    from leveret.errors import AMQPError
    from leveret.queues import AnyMessage
    from leveret.wire.connection import ServerConnection

__all__ = ["WireChannel"]

_DELIVERY = Struct(">QB")
_DELIVER = b"\x00\x3c\x00\x3c"
_GET_OK = b"\x00\x3c\x00\x47"
_RETURN = b"\x00\x3c\x00\x32"
_COUNT = Struct(">I")
_TAG_FRAME = Struct(">BHIHHQBB")

#: A message of at least this many bytes goes out in pieces that are not joined: to copy it once
#: more would cost more than the larger write does.
LARGE_BODY = 16 * 1024


class WireChannel:
    """The listener of an engine's channel: writes what it hears into the connection's output."""

    __slots__ = ("_consumers", "closing", "connection", "content", "engine", "number", "quiet")

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.engine: Channel
        #: The broker closed the channel and waits for the client's channel.close-ok.
        self.closing = False
        #: The method under way asked for no answer.
        self.quiet = False
        #: basic.publish whose content is not complete yet.
        self.content: Any = None
        # consumer tag -> the first part of its deliver methods
        self._consumers: dict[str, bytes] = {}

    def send(self, name: str, **values: Any) -> None:
        """Write a method."""
        self.connection.write(method_frame(self.number, name, **values))

    # -- what the engine tells

    def subscribed(self, consumer_tag: str) -> None:
        """Write consume-ok, before the first delivery."""
        self._consumers[consumer_tag] = _DELIVER + encode_short_string(consumer_tag)
        if not self.quiet:
            self.send("basic.consume-ok", consumer_tag=consumer_tag)

    def unsubscribed(self, consumer_tag: str) -> None:
        """Forget a consumer that was cancelled."""
        self._consumers.pop(consumer_tag, None)

    def delivered(
        self, consumer_tag: str, delivery_tag: int, redelivered: bool, message: AnyMessage
    ) -> None:
        """Write a delivery."""
        prefix = self._consumers.get(consumer_tag)
        if prefix is None:
            prefix = _DELIVER + encode_short_string(consumer_tag)
        method = prefix + _DELIVERY.pack(delivery_tag, redelivered)
        self._write_message(method, message, b"")

    def get_ok(self, delivery_tag: int, redelivered: bool, message: AnyMessage, count: int) -> None:
        """Write the answer to basic.get."""
        method = _GET_OK + _DELIVERY.pack(delivery_tag, redelivered)
        self._write_message(method, message, _COUNT.pack(count))

    def returned(self, reply_code: int, reply_text: str, message: AnyMessage) -> None:
        """Write a returned message."""
        method = (
            b"\x00\x3c\x00\x32" + reply_code.to_bytes(2, "big") + encode_short_string(reply_text)
        )
        self._write_message(method, message, b"")

    def _write_message(self, method: bytes, message: AnyMessage, tail: bytes) -> None:
        """Write a method that ends in exchange and routing key (and a tail), with its message."""
        connection, number = self.connection, self.number
        if type(message) is WireMessage:
            method += message.address + tail
            content = message.content
            if (
                content is not None
                and message.channel == number
                and message.size + OVERHEAD <= connection.frame_max
            ):
                connection.write(
                    FRAME_HEADER.pack(FRAME_METHOD, number, len(method))
                    + method
                    + FRAME_END
                    + content
                )
                return
            header = message.header
        else:
            method += encode_short_string(message.exchange)
            method += encode_short_string(message.routing_key) + tail
            header = encode_header(message.properties, message.size)
        head = (
            FRAME_HEADER.pack(FRAME_METHOD, number, len(method))
            + method
            + FRAME_END
            + FRAME_HEADER.pack(FRAME_HEADERS, number, len(header))
            + header
            + FRAME_END
        )
        pieces = body_frames(number, message.body, connection.frame_max)
        if message.size < LARGE_BODY:
            connection.write(head + b"".join(pieces))
        else:
            connection.write(head)
            for piece in pieces:
                connection.write(piece)

    def confirmed(self, delivery_tag: int, multiple: bool) -> None:
        """Write an ack to a publisher."""
        self.connection.write(
            _TAG_FRAME.pack(FRAME_METHOD, self.number, 13, 60, 80, delivery_tag, multiple, 0xCE)
        )

    def refused(self, delivery_tag: int, multiple: bool) -> None:
        """Write a nack to a publisher."""
        self.connection.write(
            _TAG_FRAME.pack(FRAME_METHOD, self.number, 13, 60, 120, delivery_tag, multiple, 0xCE)
        )

    def consumer_cancelled(self, consumer_tag: str) -> None:
        """Write that a consumer's queue is gone (S73)."""
        self._consumers.pop(consumer_tag, None)
        self.send("basic.cancel", consumer_tag=consumer_tag, nowait=True)

    def closed(self, error: AMQPError | None) -> None:
        """Write why the broker closes the channel, and wait for the client to agree."""
        if isinstance(error, ChannelClosedByBroker):
            self.closing = True
            self.content = None
            self.send(
                "channel.close",
                reply_code=error.reply_code,
                reply_text=short_text(error.reply_text),
                class_id=error.class_id,
                method_id=error.method_id,
            )


def short_text(text: str) -> str:
    """Return a text cut to what a short string holds, as RabbitMQ cuts its own (255 bytes)."""
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= 255:
        return text
    return data[:252].decode("utf-8", "ignore") + "..."
