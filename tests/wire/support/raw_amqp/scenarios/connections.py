"""Methods of an open connection, and frames that are wrong."""

from __future__ import annotations

from pika import spec

from raw_amqp.frames import HEARTBEAT, body, content, frame, header, method
from raw_amqp.scenarios.registry import START_OK, TUNE_OK, sent

B, C, Ch, Q = spec.Basic, spec.Connection, spec.Channel, spec.Queue

for _call in (
    START_OK,
    method(0, TUNE_OK),
    method(0, C.SecureOk("x")),
    method(0, C.OpenOk()),
    method(0, C.Blocked("x")),
    method(0, C.Unblocked()),
    method(0, C.CloseOk()),
    method(0, C.Start()),
    method(0, C.Tune(1, 2, 3)),
    method(0, C.UpdateSecretOk()),
):
    sent(f"not for an open connection: {_call[7:11].hex()}", _call)
sent("update-secret", method(0, C.UpdateSecret("guest", "rotation")))
sent("update-secret to another password", method(0, C.UpdateSecret("other", "rotation")))
sent("update-secret to nothing", method(0, C.UpdateSecret("", "")))
sent(
    "update-secret, and on",
    method(0, C.UpdateSecret("other", "rotation")) + method(1, Q.Declare(queue="", exclusive=True)),
)
sent("close the connection", method(0, C.Close(200, "bye", 0, 0)))
sent("close with bytes behind", method(0, C.Close(200, "bye", 0, 0)) + content(1, b"late"))
sent("heartbeat", HEARTBEAT + method(1, B.Qos(0, 1, False)))
sent("heartbeat on channel 1", frame(8, 1, b"") + method(1, B.Qos(0, 1, False)))
sent("heartbeat with a payload", frame(8, 0, b"x") + method(1, B.Qos(0, 1, False)))
sent("channel method on channel 0", method(0, Ch.Open()))
sent("queue.declare on channel 0", method(0, Q.Declare(queue="q")))
sent("content header on channel 0", header(0, 5))
sent("body on channel 0", body(0, b"hello"))
sent("connection method on channel 1", method(1, C.UpdateSecret("guest", "rotation")))
sent("connection.close on channel 1", method(1, C.Close(200, "bye", 0, 0)))

sent("unknown frame type", frame(7, 1, b"hello"))
sent("frame type 4", frame(4, 1, b"hello"))
sent("a frame without its end", frame(1, 1, b"\0\x3c\0\x0a\0\0\0\0\0\x01\0")[:-1] + b"\x00" * 30)
sent("a body frame without its end", body(1, b"hello")[:-1] + b"\x00" * 30)
sent("an empty method frame", frame(1, 1, b""))
sent("a method frame of two bytes", frame(1, 1, b"\0\x3c"))
sent("a method cut short", frame(1, 1, b"\0\x32\0\x0a\0\0\x05q"))
sent("a method with bytes left over", frame(1, 1, b"\0\x3c\0\x0a\0\0\0\0\0\x01\0rest"))
sent("a method whose table lies", frame(1, 1, b"\0\x32\0\x0a\0\0\x01q\0\0\0\0\x09"))
sent(
    "a method whose table has an unknown type",
    frame(1, 1, b"\0\x32\0\x0a\0\0\x01q\0\0\0\0\x04\x01aZx"),
)
sent("unknown class", frame(1, 1, b"\0\x63\0\x0a"))
sent("unknown method", frame(1, 1, b"\0\x3c\0\x63"))
sent("unknown method on a channel that is not open", frame(1, 5, b"\0\x3c\0\x63"))
sent("access.request", method(1, spec.Access.Request()))
for _size in (131_064, 131_065, 131_072, 131_073):
    sent(
        f"a body frame of {_size} bytes",
        method(1, B.Publish(exchange="", routing_key="none"))
        + header(1, _size)
        + body(1, bytes(_size))
        + method(1, B.Qos(0, 1, False)),
    )
sent(
    "a frame over a small frame_max",
    method(1, B.Publish(exchange="", routing_key="none"))
    + header(1, 4200)
    + body(1, bytes(4200))
    + method(1, B.Qos(0, 1, False)),
    login={"frame_max": 4096},
)
