"""A channel as its client sees it: the engine's channel, and what it has to tell, in frames."""

from __future__ import annotations

from itertools import repeat
from struct import Struct
from typing import TYPE_CHECKING, Any

from leveret.errors import ChannelClosedByBroker
from leveret.fields import encode_short_string
from leveret.header import encode_header
from leveret.queues import EncodedMessage
from leveret.wire.content import WireMessage, WireRun
from leveret.wire.frames import (
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEADERS,
    FRAME_METHOD,
    body_frames,
    method_frame,
)
from leveret.wire.texts import short_text

if TYPE_CHECKING:
    from leveret.engine import Channel
    from leveret.errors import AMQPError
    from leveret.queues import AnyMessage, QueuedRun
    from leveret.wire.connection_base import ConnectionBase
    from leveret.wire.content import Address

__all__ = ["WireChannel"]

_DELIVERY = Struct(">QB")
_FRESH = Struct(">Q?")
_DELIVER = b"\x00\x3c\x00\x3c"
_GET_OK = b"\x00\x3c\x00\x47"
_RETURN = b"\x00\x3c\x00\x32"
_COUNT = Struct(">I")
_TAG_FRAME = Struct(">BHIHHQBB")

#: The flag of basic.nack that RabbitMQ leaves set in what it sends to publishers.
_REQUEUE = 2

#: A message of at least this many bytes goes out in pieces that are not joined: to copy it once
#: more would cost more than the larger write does.
LARGE_BODY = 16 * 1024

#: How many addresses a connection remembers for all its consumers; keys are chosen by publishers.
ADDRESSES_KEPT = 16_384


class WireChannel:
    """The listener of an engine's channel: writes what it hears into the connection's output."""

    __slots__ = (
        "_consumers",
        "body_head",
        "closing",
        "connection",
        "content",
        "engine",
        "header_head",
        "number",
        "publishes",
        "quiet",
    )

    def __init__(self, connection: ConnectionBase, number: int) -> None:
        self.connection = connection
        self.number = number
        #: Type and channel, as the frames of content begin.
        self.header_head = FRAME_HEADER.pack(FRAME_HEADERS, number, 0)[:3]
        self.body_head = FRAME_HEADER.pack(FRAME_BODY, number, 0)[:3]
        self.engine: Channel
        #: The broker closed the channel and waits for the client's channel.close-ok.
        self.closing = False
        #: The method under way asked for no answer.
        self.quiet = False
        #: exchange, mandatory, immediate -> basic.publish as a whole frame -> what it says
        self.publishes: dict[tuple[str, bool, bool], dict[bytes, Address]] = {}
        #: basic.publish whose content is not complete yet.
        self.content: Any = None
        # consumer tag -> address -> what stands before and behind tag and flag in a deliver frame
        self._consumers: dict[str, dict[bytes, tuple[bytes, bytes]]] = {}

    def send(self, name: str, **values: Any) -> None:
        """Write a method."""
        self.connection.write(method_frame(self.number, name, **values))

    def answer(self, place: int, name: str, **values: Any) -> None:
        """Write a method before what was written since the output had so many pieces.

        Where a method sets something off on its own channel, RabbitMQ answers first: its queues
        are processes, which hear of it later than the client does.
        """
        self.connection.write_at(place, method_frame(self.number, name, **values))

    # -- what the engine tells

    def subscribed(self, consumer_tag: str) -> None:
        """Write consume-ok, before the first delivery."""
        self._consumers[consumer_tag] = {}
        if not self.quiet:
            self.send("basic.consume-ok", consumer_tag=consumer_tag)

    def unsubscribed(self, consumer_tag: str) -> None:
        """Forget a consumer that was cancelled."""
        self._consumers.pop(consumer_tag, None)

    def delivered(
        self, consumer_tag: str, delivery_tag: int, redelivered: bool, message: AnyMessage
    ) -> None:
        """Write a delivery.

        Measured: with the content reused as it came and the constant parts of the method
        remembered, a delivery costs a third of what `_write_message` takes.
        """
        connection = self.connection
        if (
            isinstance(message, EncodedMessage)
            and message.size <= connection.body_max
            and (content := self._content(message)) is not None
        ):
            parts = self._consumers.get(consumer_tag, {})
            known = parts.get(message.address)
            if known is None:
                known = self._learn_address(consumer_tag, message.address)
            tag = _DELIVERY.pack(delivery_tag, redelivered)
            if message.size >= LARGE_BODY:
                connection.write(b"".join((known[0], tag, known[1])))
                connection.write(content)
                return
            data = b"".join((known[0], tag, known[1], content))
            out = connection.out
            if not out:
                connection.wake(connection)
            out.append(data)
            connection.unsent += len(data)
            if connection.unsent > connection.output_high or len(out) > connection.output_pieces:
                connection.pause()
            return
        prefix = _DELIVER + encode_short_string(consumer_tag)
        self._write_message(prefix + _DELIVERY.pack(delivery_tag, redelivered), message, b"")

    def _content(self, message: EncodedMessage) -> bytes | None:
        """Return a message's header and body as frames of this channel; None if much is to copy."""
        number = self.number
        if isinstance(message, WireMessage) and message.channel == number:
            return message.content
        if message.size >= LARGE_BODY:
            return None
        header, body = message.header, message.body
        head = FRAME_HEADER.pack(FRAME_HEADERS, number, len(header))
        if not body:
            return b"".join((head, header, FRAME_END))
        body_head = FRAME_HEADER.pack(FRAME_BODY, number, len(body))
        return b"".join((head, header, FRAME_END, body_head, body, FRAME_END))

    def delivered_run(self, consumer_tag: str, first_tag: int, queued: QueuedRun) -> None:
        """Write deliveries in a row.

        Measured: laid out as columns of one list, which is then joined, a delivery costs half of
        what it does put together one by one.
        """
        connection, run = self.connection, queued.run
        assert isinstance(run, WireRun)
        start, stop = queued.start, queued.stop
        contents = run.contents[start:stop]
        largest = max(run.sizes[start:stop])
        if run.channel != self.number or largest >= LARGE_BODY or largest > connection.body_max:
            for tag, index in enumerate(range(start, stop), first_tag):
                self.delivered(consumer_tag, tag, False, run.message(index))
            return
        count = stop - start
        pieces: list[bytes] = [b""] * (4 * count)
        parts = self._consumers.setdefault(consumer_tag, {})
        if len(run.addresses) == 1:
            key = run.addresses[0].key
            head, tail = parts.get(key) or self._learn_address(consumer_tag, key)
            pieces[0::4] = [head] * count
            pieces[2::4] = [tail] * count
        else:
            keys = [address.key for address in run.addresses[start:stop]]
            try:
                known = [*map(parts.__getitem__, keys)]
            except KeyError:
                known = [parts.get(key) or self._learn_address(consumer_tag, key) for key in keys]
            pieces[0::4], pieces[2::4] = zip(*known, strict=True)
        pieces[1::4] = map(_DELIVERY.pack, range(first_tag, first_tag + count), repeat(False))
        pieces[3::4] = contents
        connection.write(b"".join(pieces))

    def _learn_address(self, consumer_tag: str, address: bytes) -> tuple[bytes, bytes]:
        """Make the constant parts of a consumer's deliver methods for one address."""
        tag = encode_short_string(consumer_tag)
        size = len(_DELIVER) + len(tag) + _DELIVERY.size + len(address)
        head = FRAME_HEADER.pack(FRAME_METHOD, self.number, size) + _DELIVER + tag
        known = (head, address + FRAME_END)
        connection = self.connection
        if connection.addresses_known >= ADDRESSES_KEPT:
            connection.addresses_known = 0
            for channel in connection.channels.values():
                channel.forget_addresses()
        connection.addresses_known += 1
        self._consumers.setdefault(consumer_tag, {})[address] = known
        return known

    def forget_addresses(self) -> None:
        """Forget what was remembered for consumers; it is found out again."""
        for parts in self._consumers.values():
            parts.clear()

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
        if isinstance(message, EncodedMessage):
            method += message.address + tail
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
            _TAG_FRAME.pack(
                FRAME_METHOD, self.number, 13, 60, 120, delivery_tag, multiple | _REQUEUE, 0xCE
            )
        )

    def expired(self, delivery_tag: int) -> None:
        """Tell nothing: AMQP has no word for it."""

    def consumer_cancelled(self, consumer_tag: str) -> None:
        """Write that a consumer's queue is gone (S73)."""
        self._consumers.pop(consumer_tag, None)
        self.send("basic.cancel", consumer_tag=consumer_tag, nowait=True)

    def closed(self, error: AMQPError | None) -> None:
        """Write why the broker closes the channel, and wait for the client to agree."""
        if self.closing:
            return
        self.closing = True
        if isinstance(error, ChannelClosedByBroker):
            self.engine.flush_confirms()  # what was taken before the error was taken
            self.send(
                "channel.close",
                reply_code=error.reply_code,
                reply_text=short_text(error.reply_text),
                class_id=error.class_id,
                method_id=error.method_id,
            )
