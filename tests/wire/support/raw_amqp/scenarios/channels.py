"""Channels: opened, closed, closing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pika import spec

from raw_amqp.frames import HEARTBEAT, body, content, frame, header, method
from raw_amqp.scenarios.registry import PUBLISH, called, refused_declare, scenario, sent

if TYPE_CHECKING:
    from raw_amqp.scenarios.registry import Open

B, C, Ch, Q = spec.Basic, spec.Connection, spec.Channel, spec.Queue

sent("method on a channel that is not open", method(7, Q.Declare(queue="q")))
sent("content on a channel that is not open", content(7, b"hello", routing_key="q"))
sent("body on a channel that is not open", body(7, b"hello"))
sent("header on a channel that is not open", header(7, 5))
sent("close of a channel that is not open", method(7, Ch.Close(200, "bye", 0, 0)))
sent("close-ok of a channel that is not open", method(7, Ch.CloseOk()))
sent("close-ok of an open channel", method(1, Ch.CloseOk()) + method(1, B.Qos(0, 1, False)))
sent("channel opened twice", method(1, Ch.Open()))
sent("channel above channel_max", method(2048, Ch.Open()))
sent("channel 65535", method(65_535, Ch.Open()))
called(
    "channel closed and opened again",
    Ch.Close(200, "bye", 0, 0),
    Ch.Open(),
    Q.Declare(queue="", exclusive=True, passive=True),
)
sent("flow on", method(1, Ch.Flow(True)))
sent("flow off", method(1, Ch.Flow(False)))
sent("flow-ok", method(1, Ch.FlowOk(True)) + method(1, B.Qos(0, 1, False)))
for _call in (
    Q.DeclareOk("q", 0, 0),
    B.GetEmpty(),
    B.ConsumeOk("t"),
    Ch.OpenOk(),
    B.RecoverOk(),
    spec.Tx.SelectOk(),
    spec.Confirm.SelectOk(),
    B.CancelOk("t"),
):
    sent(f"not for a server: {_call.NAME}", method(1, _call))


@scenario
def frames_on_a_closing_channel_are_dropped(open_peer: Open) -> None:
    """S123."""
    peer = open_peer().login(channels=(1, 2))
    peer.send(
        refused_declare(),
        method(1, Q.Declare(queue="", exclusive=True)),
        content(1, b"x", routing_key="q"),
        method(1, B.Get(queue="q")),
        method(1, Ch.Flow(False)),
        method(1, B.RecoverOk()),
        method(1, B.Qos(5, 1, False)),
    )
    peer.lines()
    peer.call(1, Ch.CloseOk())
    peer.call(1, Ch.Open())
    peer.call(1, B.Qos(0, 1, False))
    peer.call(2, B.Qos(0, 1, False))


@scenario
def both_sides_close_a_channel(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(refused_declare(), method(1, Ch.Close(200, "bye", 0, 0)))
    peer.lines()
    peer.call(1, Ch.CloseOk())
    peer.call(1, Ch.Open())


@scenario
def both_sides_close_a_channel_and_the_client_opens_it_at_once(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(refused_declare(), method(1, Ch.Close(200, "bye", 0, 0)), method(1, Ch.Open()))
    peer.lines()


@scenario
def a_closing_channel_and_unknown_methods(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(refused_declare(), frame(1, 1, b"\0\x63\0\x0a"))
    peer.lines()


@scenario
def a_closing_channel_and_a_broken_method(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(refused_declare(), frame(1, 1, b"\0\x32\0\x0a\0\0\x05q"))
    peer.lines()


@scenario
def publishing_goes_on_behind_an_error(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1, 2))
    peer.call(2, Q.Declare(queue="wire-pipe", exclusive=True))
    peer.send(*(content(1, b"%d" % n, "" if n < 2 else "nowhere", "wire-pipe") for n in range(4)))
    peer.lines()
    peer.call(1, Ch.CloseOk())
    peer.call(2, Q.Declare(queue="wire-pipe", passive=True))
    peer.call(2, B.Get(queue="wire-pipe", no_ack=True))


@scenario
def content_on_a_closing_channel_has_to_be_whole(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(refused_declare(), header(1, 3), body(1, b"abc"))
    peer.lines()


@scenario
def content_begun_before_its_channel_closed_is_dropped(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(content(1, b"x", "nowhere", "k"))
    peer.lines()
    peer.send(
        PUBLISH,
        header(1, 5),
        body(1, b"he"),
        body(1, b"llo"),
        method(1, Ch.CloseOk()),
        method(1, Ch.Open()),
    )
    peer.lines()


@scenario
def a_closing_channel_opened(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(refused_declare(), method(1, Ch.Open()))
    peer.lines()


@scenario
def what_follows_a_hard_error_is_not_done(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(
        method(1, B.Qos(5, 1, False)),
        content(1, b"x", routing_key="none"),
        HEARTBEAT,
        method(1, Q.Declare(queue="wire-hard", passive=True)),
    )
    peer.lines()
    peer.call(0, C.CloseOk())


@scenario
def both_sides_close_the_connection(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(method(1, B.Qos(5, 1, False)))
    peer.lines()
    peer.call(0, C.Close(200, "bye", 0, 0))


@scenario
def the_client_closes_the_connection_while_its_channel_is_closing(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1, 2))
    peer.send(refused_declare())
    peer.lines()
    peer.call(0, C.Close(200, "bye", 0, 0))


@scenario
def a_hard_error_while_another_channel_is_closing(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1, 2))
    peer.send(refused_declare())
    peer.lines()
    peer.call(2, B.Qos(5, 1, False))
    peer.send(method(1, Ch.CloseOk()))
    peer.call(0, C.CloseOk())


@scenario
def a_channel_closes_with_its_transaction_and_its_confirms(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1, 2, 3))
    peer.call(3, Q.Declare(queue="wire-undone", exclusive=True))
    peer.call(1, spec.Tx.Select())
    peer.send(content(1, b"undone", routing_key="wire-undone"))
    peer.call(1, Ch.Close(200, "bye", 0, 0))
    peer.call(2, spec.Confirm.Select())
    peer.send(content(2, b"done", routing_key="wire-undone"))
    peer.lines()
    peer.call(2, Ch.Close(200, "bye", 0, 0))
    peer.call(3, B.Get(queue="wire-undone", no_ack=True))
    peer.call(3, B.Get(queue="wire-undone", no_ack=True))


@scenario
def empty_frames_on_a_closing_channel(open_peer: Open) -> None:
    peer = open_peer().login(channels=(1,))
    peer.send(refused_declare(), frame(1, 1, b""), HEARTBEAT)
    peer.lines()
    peer.call(1, Ch.CloseOk())
