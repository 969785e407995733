"""From nothing to an open connection: what is offered, who may log in, what is agreed on.

Statements: S120 S121 S122 S124.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pika import spec
from raw_amqp.frames import HEARTBEAT, PROTOCOL_HEADER, lines, method, split
from raw_amqp.peers import InMemoryPeer, start_ok

from leveret import Broker
from leveret.wire import Limits, State
from leveret.wire.methods import decode_method

if TYPE_CHECKING:
    from tests.wire.conftest import Bench

    from leveret.wire.methods import MethodCall

REFUSED = (
    "ACCESS_REFUSED - Login was refused using authentication mechanism {}."
    " For details see the broker logfile."
)


def start(peer: InMemoryPeer) -> MethodCall:
    peer.send(PROTOCOL_HEADER)
    (frame,) = peer.frames()
    return decode_method(frame.payload)


def started(bench: Bench, **options: Any) -> InMemoryPeer:
    peer = bench.open(**options)
    start(peer)
    return peer


def closed_with(peer: InMemoryPeer) -> tuple[int, str]:
    """Return code and text of the connection.close that is all a client was sent."""
    (frame,) = peer.frames()
    call = decode_method(frame.payload)
    assert call.name == "connection.close"
    return call.reply_code, call.reply_text


# -- connection.start


def test_s124_the_server_names_itself_and_what_it_can_do(bench: Bench) -> None:
    call = start(bench.open())
    properties = call.server_properties
    assert properties["capabilities"] == {
        "publisher_confirms": True,
        "exchange_exchange_bindings": True,
        "basic.nack": True,
        "consumer_cancel_notify": True,
        "connection.blocked": True,
        "consumer_priorities": True,
        "authentication_failure_close": True,
        "per_consumer_qos": True,
        "direct_reply_to": True,
    }
    names = {"product", "version", "platform", "cluster_name", "copyright", "information"}
    assert set(properties) == names | {"capabilities"}
    assert all(isinstance(properties[name], str) for name in names)
    assert (call.version_major, call.version_minor, call.locales) == (0, 9, b"en_US")


@pytest.mark.parametrize(
    ("profile", "version"), [("3.10", "3.10."), ("3.13", "3.13."), ("4.2", "4.2."), ("4.3", "4.3.")]
)
def test_s124_clients_are_told_the_version_that_the_profile_follows(
    profile: str, version: str
) -> None:
    call = start(InMemoryPeer(Broker(profile=profile)))
    assert call.server_properties["version"].startswith(version)
    assert call.server_properties["product"] == "RabbitMQ"


@pytest.mark.parametrize(
    ("options", "offered"),
    [
        ({}, b"AMQPLAIN PLAIN"),
        ({"external_user": "app"}, b"AMQPLAIN PLAIN EXTERNAL"),
        ({"anonymous": True}, b"AMQPLAIN PLAIN ANONYMOUS"),
    ],
)
def test_mechanisms_are_offered_where_they_can_be_used(
    bench: Bench, options: dict[str, Any], offered: bytes
) -> None:
    assert start(bench.open(**options)).mechanisms == offered


@pytest.mark.parametrize(
    "header", [b"GET / HT", b"AMQP\0\1\0\0", b"AMQP\0\0\x09\2", b"\x16\3\1\0\0\0\0\0"]
)
def test_another_protocol_is_answered_with_the_right_header(bench: Bench, header: bytes) -> None:
    peer = bench.open()
    peer.send(header + b"more")
    assert (peer.output(), peer.dropped) == (PROTOCOL_HEADER, True)


def test_a_protocol_header_may_come_byte_by_byte(bench: Bench) -> None:
    peer = bench.open()
    for byte in PROTOCOL_HEADER[:-1]:
        peer.send(bytes((byte,)))
        assert not peer.output()
    peer.send(PROTOCOL_HEADER[-1:])
    assert len(peer.frames()) == 1


# -- logins


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("PLAIN", b"\0app\0s\xc3\xa9same"),
        ("AMQPLAIN", b"\x05LOGINS\0\0\0\x03app\x08PASSWORDS\0\0\0\x07s\xc3\xa9same"),
        ("EXTERNAL", b""),
    ],
)
def test_each_mechanism_logs_a_user_in(bench: Bench, mechanism: str, response: bytes) -> None:
    bench.add_user("app", "sésame")
    peer = started(bench, external_user="app")
    peer.send(start_ok_raw(mechanism, response))
    assert lines(peer.frames()) == [
        "0 connection.tune channel_max=2047 frame_max=131072 heartbeat=60"
    ]
    assert peer.connection.user == "app"


def start_ok_raw(mechanism: str, response: bytes) -> bytes:
    """Return start-ok with a response of any bytes; pika would encode them as text."""
    data = start_ok(mechanism, b"@" * len(response))
    return data.replace(b"@" * len(response), response) if response else data


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("PLAIN", b"\0guest\0wrong"),
        ("PLAIN", b"\0nobody\0guest"),
        ("PLAIN", b"\0\0"),
        ("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x01x"),
        ("EXTERNAL", b""),
    ],
)
def test_s120_a_refused_login_is_told_to_a_client_that_takes_it(
    bench: Bench, mechanism: str, response: bytes
) -> None:
    peer = started(bench, external_user="unknown")
    peer.send(start_ok(mechanism, response))
    assert closed_with(peer) == (403, REFUSED.format(mechanism))
    assert peer.connection.login_refused
    peer.send(method(0, spec.Connection.CloseOk()))
    assert peer.dropped


@pytest.mark.parametrize("properties", [{}, {"capabilities": {}}, {"capabilities": "all"}])
def test_s120_another_client_is_only_dropped(bench: Bench, properties: dict[str, Any]) -> None:
    peer = started(bench)
    peer.send(start_ok(response=b"\0guest\0wrong", properties=properties))
    assert (peer.frames(), peer.dropped) == ([], True)


def test_guest_logs_in_from_this_machine_only(bench: Bench) -> None:
    peer = started(bench, loopback=False)
    peer.send(start_ok())
    assert closed_with(peer) == (403, REFUSED.format("PLAIN"))
    assert "localhost" in peer.connection.reason
    bench.add_user("app", "secret")
    peer = started(bench, loopback=False)
    peer.send(start_ok(response=b"\0app\0secret"))
    assert peer.connection.state is State.TUNE


def test_anonymous_is_for_whoever_switches_it_on(bench: Bench) -> None:
    peer = started(bench, anonymous=True)
    peer.send(start_ok("ANONYMOUS", b""))
    assert peer.connection.user == "guest"
    peer = started(bench)
    peer.send(start_ok("ANONYMOUS", b""))
    assert (peer.frames(), peer.dropped) == ([], True)


# -- connection.tune


def tuned(bench: Bench, frame_max: int, channel_max: int = 2047, **how: Any) -> InMemoryPeer:
    peer = started(bench, **how)
    peer.send(start_ok())
    peer.frames()
    peer.send(method(0, spec.Connection.TuneOk(channel_max, frame_max, 0)))
    return peer


@pytest.mark.parametrize(("profile", "floor"), [("3.10", 4096), ("3.13", 4096), ("4.2", 8192)])
def test_s122_a_frame_max_below_the_floor_is_refused(profile: str, floor: int) -> None:
    class Other:
        broker = Broker(profile=profile)

        def open(self, **options: Any) -> InMemoryPeer:
            return InMemoryPeer(self.broker, options=options)

    bench: Any = Other()
    assert tuned(bench, floor).connection.state is State.OPEN
    assert closed_with(tuned(bench, floor - 1)) == (
        530,
        f"NOT_ALLOWED - negotiated frame_max = {floor - 1} is lower than the minimum allowed value"
        f" ({floor})",
    )


@pytest.mark.parametrize("frame_max", [0, 131_073])
def test_s122_so_is_one_above_the_server_s(bench: Bench, frame_max: int) -> None:
    assert closed_with(tuned(bench, frame_max)) == (
        530,
        f"NOT_ALLOWED - negotiated frame_max = {frame_max} is higher than the maximum allowed"
        " value (131072)",
    )


@pytest.mark.parametrize("channel_max", [0, 2048])
def test_s122_channels_have_a_limit_too(bench: Bench, channel_max: int) -> None:
    code, text = closed_with(tuned(bench, 131_072, channel_max))
    assert (code, text) == (
        530,
        f"NOT_ALLOWED - negotiated channel_max = {channel_max} is higher than the maximum allowed"
        " value (2047)",
    )


def test_s122_a_frame_up_to_eight_bytes_over_frame_max_is_taken(bench: Bench) -> None:
    for extra, taken in ((8, True), (9, False)):
        peer = bench.login(1, frame_max=8192)
        publish = spec.Basic.Publish(exchange="", routing_key="none")
        size = 8192 - 8 + extra
        head = b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0" + size.to_bytes(8, "big") + b"\0\0\xce"
        frame = b"\x03\0\x01" + size.to_bytes(4, "big") + bytes(size) + b"\xce"
        peer.send(method(1, publish) + head + frame)
        if taken:
            assert not peer.frames()
        else:
            assert closed_with(peer)[0] == 501


def test_limits_of_the_server_s_own_are_offered(bench: Bench) -> None:
    peer = started(bench, limits=Limits(frame_max=16_384, channel_max=7, heartbeat_s=0))
    peer.send(start_ok())
    assert lines(peer.frames()) == ["0 connection.tune channel_max=7 frame_max=16384 heartbeat=0"]


def test_only_so_many_channels_as_were_agreed_on(bench: Bench) -> None:
    peer = bench.login(1, 9, channel_max=2)
    assert peer.call(3, spec.Channel.Open()) == [
        "0 connection.close reply_code=530 reply_text='NOT_ALLOWED - number of channels opened (2)"
        " has reached the negotiated channel_max (2)' class_id=0 method_id=0"
    ]


def test_channels_closed_do_not_count(bench: Bench) -> None:
    peer = bench.login(1, channel_max=1)
    for _ in range(3):
        peer.call(1, spec.Channel.Close(200, "", 0, 0))
        assert peer.call(1, spec.Channel.Open()) == ["1 channel.open-ok channel_id=b''"]


# -- connection.open


def opened(bench: Bench, asked_for: str, **options: Any) -> InMemoryPeer:
    peer = tuned(bench, 131_072, **options)
    peer.send(method(0, spec.Connection.Open(asked_for)))
    return peer


def test_s121_an_unknown_virtual_host_is_refused(bench: Bench) -> None:
    assert closed_with(opened(bench, "x")) == (530, "NOT_ALLOWED - vhost x not found")


def test_s121_so_is_one_that_the_user_has_no_permissions_in(bench: Bench) -> None:
    bench.broker.add_virtual_host("x")
    assert closed_with(opened(bench, "x")) == (
        530,
        "NOT_ALLOWED - access to vhost 'x' refused for user 'guest'",
    )


def test_a_server_may_send_every_client_to_one_virtual_host(bench: Bench) -> None:
    peer = opened(bench, "whatever", virtual_host="/")
    assert lines(peer.frames()) == ["0 connection.open-ok known_hosts=''"]


def test_a_handshake_may_come_in_one_piece(bench: Bench) -> None:
    peer = bench.open()
    tune_ok = spec.Connection.TuneOk(2047, 131_072, 0)
    peer.send(
        PROTOCOL_HEADER,
        start_ok(),
        method(0, tune_ok),
        HEARTBEAT,
        method(0, spec.Connection.Open("/")),
        method(1, spec.Channel.Open()),
    )
    frames, rest = split(peer.output())
    assert [str(frame).split()[1] for frame in frames[1:]] == [
        "connection.tune",
        "connection.open-ok",
        "channel.open-ok",
    ]
    assert not rest


def test_before_the_login_no_frame_may_be_large(bench: Bench) -> None:
    peer = started(bench)
    peer.send(b"\x01\0\0\xff\xff\xff\xff")
    assert not peer.dropped  # the eighth byte is not there yet
    peer.send(b"\0")
    assert (peer.frames(), peer.dropped) == ([], True)
