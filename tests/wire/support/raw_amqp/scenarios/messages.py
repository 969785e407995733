"""Messages as they go through a queue, byte by byte."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from pika import spec

from raw_amqp.frames import body, content, frame, header, method, raw_header
from raw_amqp.scenarios.registry import SCENARIOS, SYNC, scenario

if TYPE_CHECKING:
    from raw_amqp.scenarios.registry import Open

B, Q = spec.Basic, spec.Queue

_HEADER_TABLE = {
    "text": "é",
    "int": 5,
    "long": 2**40,
    "bytes": b"\0\xff",
    "none": None,
    "yes": True,
    "list": [1, "a", None, [2]],
    "table": {"a": {"b": 1}},
    "time": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
}
_ALL: dict[str, Any] = {
    "content_type": "text/plain",
    "content_encoding": "utf-8",
    "headers": _HEADER_TABLE,
    "delivery_mode": 2,
    "priority": 3,
    "correlation_id": "c",
    "reply_to": "r",
    "expiration": "60000",
    "message_id": "m",
    "timestamp": 1_577_836_800,
    "type": "t",
    "user_id": "guest",
    "app_id": "a",
    "cluster_id": "cl",
}
#: Every field type as RabbitMQ reads them, each under a name of its own.
_EVERY_TYPE = b"".join(
    b"\x01" + bytes((97 + n,)) + value
    for n, value in enumerate(
        (
            b"t\x01",
            b"b\xff",
            b"B\xff",
            b"s\xff\xfe",
            b"u\xff\xfe",
            b"I\xff\xff\xff\xfe",
            b"i\xff\xff\xff\xfe",
            b"l\xff\xff\xff\xff\xff\xff\xff\xfe",
            b"f\x3f\x80\0\0",
            b"d\x3f\xf0\0\0\0\0\0\0",
            b"D\x02\0\0\x01\x00",
            b"S\0\0\0\x02\xc3\xa9",
            b"S\0\0\0\x01\xff",
            b"A\0\0\0\x02t\0",
            b"T\0\0\0\0\x5e\x0b\xe1\0",
            b"F\0\0\0\x04\x01at\x01",
            b"V",
            b"x\0\0\0\x01\xff",
            b"b\x7f",
        )
    )
)


def through(
    name: str, *data: bytes, arguments: dict[str, Any] | None = None, gets: int = 1
) -> None:
    """Enter a scenario: publish to a queue on channel 1, then get on channel 2 and channel 1."""

    def run(open_peer: Open) -> None:
        peer = open_peer().login(channels=(1, 2))
        peer.call(1, Q.Declare(queue="wire-through", exclusive=True, arguments=arguments))
        peer.send(*data, SYNC)
        peer.lines()
        for _ in range(gets):
            peer.call(2, B.Get(queue="wire-through"))
        peer.call(2, B.Nack(0, True, True))
        peer.call(1, B.Get(queue="wire-through", no_ack=True))
        peer.call(1, B.Get(queue="wire-through", no_ack=True))

    SCENARIOS[name] = run


through("a message without properties", content(1, b"hello", routing_key="wire-through"))
through("a message with every property", content(1, b"hello", routing_key="wire-through", **_ALL))
through("an empty message", content(1, b"", routing_key="wire-through", content_type="x"))
through(
    "a table of every type",
    method(1, B.Publish(exchange="", routing_key="wire-through"))
    + raw_header(1, 1, 0x2000, len(_EVERY_TYPE).to_bytes(4, "big") + _EVERY_TYPE)
    + body(1, b"x"),
)
through(
    "a table of every type, changed by CC",
    method(1, B.Publish(exchange="", routing_key="none"))
    + raw_header(
        1,
        1,
        0x2000,
        (len(_EVERY_TYPE) + 25).to_bytes(4, "big")
        + _EVERY_TYPE
        + b"\x02CCA\0\0\0\x11S\0\0\0\x0cwire-through",
    )
    + body(1, b"x"),
)
through(
    "a key that is not UTF-8",
    frame(1, 1, b"\0\x3c\0\x28\0\0\0\x0cwire-through\0")
    + raw_header(1, 0, 0x8000, b"\x02\xff\xfe"),
)
through(
    "CC and BCC",
    content(1, b"x", routing_key="none", headers={"CC": ["wire-through"], "BCC": ["none"], "a": 1}),
)
through("BCC alone", content(1, b"x", routing_key="none", headers={"BCC": ["wire-through"]}))
through(
    "a body in many frames",
    method(1, B.Publish(exchange="", routing_key="wire-through"))
    + header(1, 6)
    + body(1, b"a")
    + body(1, b"bc")
    + body(1, b"def"),
)
through("a body of several frames", content(1, bytes(300_000), routing_key="wire-through"))
through("a body of exactly one frame", content(1, bytes(131_064), routing_key="wire-through"))
through("a body of one frame and a byte", content(1, bytes(131_065), routing_key="wire-through"))
through(
    "priorities",
    content(1, b"a", routing_key="wire-through", priority=1)
    + content(1, b"b", routing_key="wire-through", priority=9)
    + content(1, b"c", routing_key="wire-through"),
    arguments={"x-max-priority": 5},
    gets=3,
)
through("mandatory, routed", content(1, b"x", routing_key="wire-through", mandatory=True))
through("mandatory, returned", content(1, b"x", routing_key="none", mandatory=True, **_ALL))
through("mandatory, returned, large", content(1, bytes(200_000), "amq.direct", mandatory=True))


@scenario
def a_smaller_frame_max_for_the_consumer(open_peer: Open) -> None:
    publisher = open_peer().login(channels=(1,))
    publisher.call(1, Q.Declare(queue="wire-small", auto_delete=True))
    consumer = open_peer().login(frame_max=4096, channels=(1,))
    consumer.call(1, B.Consume(queue="wire-small", consumer_tag="t", no_ack=True))
    for size in (0, 4087, 4088, 4089, 8176, 10_000):
        publisher.send(content(1, bytes(size), routing_key="wire-small"))
        consumer.lines()
    consumer.call(1, B.Cancel("t"))


@scenario
def direct_reply_to(open_peer: Open) -> None:
    """S116, S117."""
    client = open_peer().login(channels=(1,))
    server = open_peer().login(channels=(1,))
    server.call(1, Q.Declare(queue="wire-rpc", exclusive=True))
    server.call(1, B.Consume(queue="wire-rpc", consumer_tag="s", no_ack=True))
    client.call(1, B.Consume(queue="amq.rabbitmq.reply-to", consumer_tag="c", no_ack=True))
    client.send(content(1, b"?", routing_key="wire-rpc", reply_to="amq.rabbitmq.reply-to"))
    _, head, _ = server.frames()
    address = head.payload[15 : 15 + head.payload[14]].decode()
    server.send(content(1, b"!", routing_key=address, correlation_id="1"))
    client.lines()
    client.send(
        content(1, b"?", routing_key="wire-rpc", reply_to="amq.rabbitmq.reply-to"),
        method(1, B.Cancel("c")),
    )
    client.lines()
    client.send(content(1, b"?", routing_key="wire-rpc", reply_to="amq.rabbitmq.reply-to"))
    client.lines()


@scenario
def dead_letters(open_peer: Open) -> None:
    """S103: the types of what the broker writes into headers."""
    peer = open_peer().login(channels=(1,))
    peer.call(1, Q.Declare(queue="wire-dead", exclusive=True))
    peer.call(
        1,
        Q.Declare(
            queue="wire-alive",
            exclusive=True,
            arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "wire-dead"},
        ),
    )
    peer.send(content(1, b"x", routing_key="wire-alive", expiration="60000", headers={"k": [1]}))
    peer.lines()
    peer.call(1, B.Get(queue="wire-alive"))
    peer.call(1, B.Reject(1, requeue=False))
    peer.call(1, B.Qos(0, 1, False))
    peer.call(1, B.Get(queue="wire-dead"))


@scenario
def deliveries_of_a_quorum_queue(open_peer: Open) -> None:
    """S87: x-delivery-count is a long."""
    peer = open_peer().login(channels=(1,))
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 5}
    peer.call(1, Q.Delete(queue="wire-quorum"))
    peer.call(1, Q.Declare(queue="wire-quorum", durable=True, arguments=arguments))
    peer.send(content(1, b"x", routing_key="wire-quorum", content_type="c"))
    peer.lines()
    peer.call(1, B.Consume(queue="wire-quorum", consumer_tag="t"))
    peer.call(1, B.Reject(1, requeue=True))
    peer.call(1, B.Ack(2))
    peer.call(1, B.Cancel("t"))
    peer.call(1, Q.Delete(queue="wire-quorum"))


@scenario
def headers_exchange_over_the_wire(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.call(1, Q.Declare(queue="wire-h", exclusive=True))
    peer.call(
        1,
        Q.Bind(
            queue="wire-h",
            exchange="amq.headers",
            routing_key="",
            arguments={"x-match": "all", "format": "png"},
        ),
    )
    peer.send(
        content(1, b"no", "amq.headers", headers={"format": "gif"}, mandatory=True),
        content(1, b"yes", "amq.headers", headers={"format": "png"}, mandatory=True),
        content(1, b"none", "amq.headers", mandatory=True),
    )
    peer.lines()
    peer.call(1, B.Get(queue="wire-h", no_ack=True))
    peer.call(1, B.Get(queue="wire-h", no_ack=True))
