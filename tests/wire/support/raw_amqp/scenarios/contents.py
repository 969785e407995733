"""Content that comes in wrong pieces, or says what is not so."""

from __future__ import annotations

from pika import spec

from raw_amqp.frames import HEARTBEAT, body, content, frame, header, method, raw_header
from raw_amqp.scenarios.registry import PUBLISH, SYNC, sent

B, Ch = spec.Basic, spec.Channel

sent("header without publish", header(1, 5))
sent("body without publish", body(1, b"hello"))
sent("publish, then another method", PUBLISH + SYNC)
sent("publish, then channel.close", PUBLISH + method(1, Ch.Close(200, "bye", 0, 0)))
sent("publish, then publish", PUBLISH + content(1, b"x", routing_key="none"))
sent("publish, then body", PUBLISH + body(1, b"hello"))
sent("publish, header, then method", PUBLISH + header(1, 5) + SYNC)
sent("publish, header, then header", PUBLISH + header(1, 5) + header(1, 5))
sent("publish, header, half a body, then method", PUBLISH + header(1, 5) + body(1, b"he") + SYNC)
sent(
    "a heartbeat within content",
    PUBLISH
    + HEARTBEAT
    + header(1, 5)
    + HEARTBEAT
    + body(1, b"he")
    + HEARTBEAT
    + body(1, b"llo")
    + SYNC,
)
sent(
    "another channel within content",
    method(2, Ch.Open())
    + PUBLISH
    + method(2, B.Qos(0, 1, False))
    + header(1, 1)
    + method(2, B.Qos(0, 2, False))
    + body(1, b"x")
    + SYNC,
)
sent("empty body frames", PUBLISH + header(1, 5) + body(1, b"") + body(1, b"hello") + SYNC)
sent("an empty body with a body frame", PUBLISH + header(1, 0) + body(1, b"") + SYNC)
sent("a body longer than its header says", PUBLISH + header(1, 5) + body(1, b"hello!") + SYNC)
sent(
    "a body longer than its header says, in two",
    PUBLISH + header(1, 5) + body(1, b"hell") + body(1, b"o!") + SYNC,
)
sent("a body where none is said to be", PUBLISH + header(1, 0) + body(1, b"x") + SYNC)
sent("a header of class 50", PUBLISH + frame(2, 1, b"\0\x32\0\0" + bytes(10)) + SYNC)
sent("a header with a weight", PUBLISH + frame(2, 1, b"\0\x3c\0\x01" + bytes(10)) + SYNC)
sent("a header too short", PUBLISH + frame(2, 1, b"\0\x3c\0\0\0\0") + SYNC)
sent("a header of nothing", PUBLISH + frame(2, 1, b"") + SYNC)
sent("a header without its properties", PUBLISH + raw_header(1, 0, 0x8000) + SYNC)
sent("a header with a table that lies", PUBLISH + raw_header(1, 0, 0x2000, b"\0\0\0\x09x") + SYNC)
sent("a header with bytes left over", PUBLISH + raw_header(1, 0, 0, b"rest") + SYNC)
sent("a header with flags unknown", PUBLISH + raw_header(1, 0, 0x0002, b"") + SYNC)
sent("a header with continued flags", PUBLISH + raw_header(1, 0, 0x0001, b"\0\0") + SYNC)
sent("basic.publish cut short", frame(1, 1, b"\0\x3c\0\x28\0\0\x05q") + header(1, 0) + SYNC)
sent(
    "basic.publish with bytes left over",
    frame(1, 1, b"\0\x3c\0\x28\0\0\0\x04none\0rest") + header(1, 0) + SYNC,
)
sent("a body over the limit", PUBLISH + header(1, 200 * 1024 * 1024))
sent("immediate", content(1, b"x", routing_key="none", immediate=True))
sent("to an exchange that is not there", content(1, b"x", "nowhere", "none"))
