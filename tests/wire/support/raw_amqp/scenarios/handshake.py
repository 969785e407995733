"""Before the connection is open: protocol headers, logins, limits, wrong orders."""

from __future__ import annotations

from pika import spec

from raw_amqp.frames import HEARTBEAT, PROTOCOL_HEADER, body, frame, method
from raw_amqp.peers import start_ok
from raw_amqp.scenarios.registry import START_OK, TUNE_OK, raw

C, Ch = spec.Connection, spec.Channel

raw("a header of HTTP", b"GET / HTTP/1.1\r\n\r\n")
raw("a header of AMQP 1.0", b"AMQP\x00\x01\x00\x00")
raw("a header of AMQP 0-9", b"AMQP\x01\x01\x00\x09")
raw("a header of AMQP 0-8", b"AMQP\x01\x01\x08\x00")
raw("a header of AMQP 1.0 with SASL", b"AMQP\x03\x01\x00\x00")
raw("tune-ok before start-ok", PROTOCOL_HEADER, method(0, TUNE_OK))
raw("open before start-ok", PROTOCOL_HEADER, method(0, C.Open("/")))
raw("close before start-ok", PROTOCOL_HEADER, method(0, C.Close(200, "bye", 0, 0)))
raw("close-ok before start-ok", PROTOCOL_HEADER, method(0, C.CloseOk()))
raw("start-ok twice", PROTOCOL_HEADER, START_OK, START_OK)
raw("open before tune-ok", PROTOCOL_HEADER, START_OK, method(0, C.Open("/")))
raw("close before tune-ok", PROTOCOL_HEADER, START_OK, method(0, C.Close(200, "bye", 0, 0)))
raw("heartbeat before start-ok", PROTOCOL_HEADER, HEARTBEAT, START_OK)
raw("tune-ok twice", PROTOCOL_HEADER, START_OK, method(0, TUNE_OK), method(0, TUNE_OK))
raw(
    "close before open",
    PROTOCOL_HEADER,
    START_OK,
    method(0, TUNE_OK),
    method(0, C.Close(200, "bye", 0, 0)),
)
raw("channel before tune-ok", PROTOCOL_HEADER, START_OK, method(1, Ch.Open()))
raw("channel before open", PROTOCOL_HEADER, START_OK, method(0, TUNE_OK), method(1, Ch.Open()))
raw("channel before start-ok", PROTOCOL_HEADER, method(1, Ch.Open()))
raw("content before open", PROTOCOL_HEADER, START_OK, method(0, TUNE_OK), body(1, b"x"))
raw("unknown method before start-ok", PROTOCOL_HEADER, frame(1, 0, b"\0\x0a\0\x63"))
raw("a large frame before start-ok", PROTOCOL_HEADER, frame(1, 0, b"\0\x0a\0\x0b" + bytes(9000)))
raw("a frame of unknown type first", PROTOCOL_HEADER, frame(7, 0, b""))

for _name, _call in (
    ("secure-ok", C.SecureOk("x")),
    ("update-secret", C.UpdateSecret("guest", "rotation")),
    ("blocked", C.Blocked("x")),
):
    raw(f"{_name} before start-ok", PROTOCOL_HEADER, method(0, _call))
    raw(f"{_name} before tune-ok", PROTOCOL_HEADER, START_OK, method(0, _call))
    raw(f"{_name} before open", PROTOCOL_HEADER, START_OK, method(0, TUNE_OK), method(0, _call))
raw(
    "heartbeats while it is opened",
    PROTOCOL_HEADER,
    HEARTBEAT + START_OK + HEARTBEAT,
    method(0, TUNE_OK) + HEARTBEAT,
    method(0, C.Open("/")) + HEARTBEAT,
)
raw("close-ok before tune-ok", PROTOCOL_HEADER, START_OK, method(0, C.CloseOk()))
raw(
    "close, then close again, before open",
    PROTOCOL_HEADER,
    START_OK,
    method(0, TUNE_OK),
    method(0, C.Close(200, "bye", 0, 0)),
    method(0, C.Close(200, "bye", 0, 0)),
)

for _name, _response in (
    ("wrong password", b"\0guest\0wrong"),
    ("unknown user", b"\0nobody\0guest"),
    ("no password", b"guest"),
    ("an empty response", b""),
    ("four parts", b"\0a\0b\0c"),
    ("empty names", b"\0\0"),
    ("identity given", b"me\0guest\0guest"),
):
    raw(f"PLAIN: {_name}", PROTOCOL_HEADER, start_ok(response=_response))
raw(
    "PLAIN: wrong password, no capabilities",
    PROTOCOL_HEADER,
    start_ok(response=b"\0guest\0wrong", properties={}),
)
raw(
    "close-ok to a refused login",
    PROTOCOL_HEADER,
    start_ok(response=b"\0guest\0wrong"),
    method(0, C.CloseOk()),
)
raw(
    "AMQPLAIN",
    PROTOCOL_HEADER,
    start_ok("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest"),
)
raw(
    "AMQPLAIN: wrong password",
    PROTOCOL_HEADER,
    start_ok("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05wrong"),
)
raw("AMQPLAIN: no password", PROTOCOL_HEADER, start_ok("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest"))
raw("AMQPLAIN: no table", PROTOCOL_HEADER, start_ok("AMQPLAIN", b"\xff\xff"))
raw("mechanism unknown", PROTOCOL_HEADER, start_ok("BOGUS", b""))
raw("mechanism EXTERNAL without TLS", PROTOCOL_HEADER, start_ok("EXTERNAL", b""))
raw("mechanism unknown, no capabilities", PROTOCOL_HEADER, start_ok("BOGUS", b"", {}))

for _max in (0, 1, 4095, 4096, 8192, 131_072, 131_073):
    raw(
        f"tune-ok with frame_max {_max}",
        PROTOCOL_HEADER,
        START_OK,
        method(0, C.TuneOk(2047, _max, 0)),
        method(0, C.Open("/")),
    )
for _max in (0, 1, 2047, 2048, 65_535):
    raw(
        f"tune-ok with channel_max {_max}",
        PROTOCOL_HEADER,
        START_OK,
        method(0, C.TuneOk(_max, 131_072, 0)),
        method(0, C.Open("/")),
        method(1, Ch.Open()),
        method(2, Ch.Open()),
    )
raw(
    "open an unknown virtual host",
    PROTOCOL_HEADER,
    START_OK,
    method(0, TUNE_OK),
    method(0, C.Open("nowhere")),
)
raw(
    "open twice",
    PROTOCOL_HEADER,
    START_OK,
    method(0, TUNE_OK),
    method(0, C.Open("/")),
    method(0, C.Open("/")),
)
