"""Hostile input: streams to begin with, ways to spoil them, and what must hold whatever comes.

Used by the test that tries a few thousand and by `tests/wire/fuzz.py`, which tries millions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field
from pika import spec

from leveret import Broker, ManualClock
from leveret.wire import Limits, State
from raw_amqp.frames import METHOD, PROTOCOL_HEADER, content, lines, method, split
from raw_amqp.peers import CLIENT_PROPERTIES, InMemoryPeer, start_ok
from raw_amqp.scenarios import SCENARIOS

if TYPE_CHECKING:
    from random import Random

__all__ = ["LIMITS", "OPENING", "Target", "corpus", "spoil"]

#: Small, so that limits are met.
LIMITS = Limits(channel_max=20, unfinished_max=1_000_000, output_high=100_000, output_low=10_000)

#: What opens a connection and two channels.
_OPEN = b"".join(
    (
        method(0, spec.Connection.Open("/")),
        method(1, spec.Channel.Open()),
        method(2, spec.Channel.Open()),
    )
)
_AGREED = {number: method(number, spec.Channel.CloseOk()) for number in (1, 2)}
_OPENED = {number: method(number, spec.Channel.Open()) for number in (1, 2)}
OPENING = b"".join(
    (PROTOCOL_HEADER, start_ok(), method(0, spec.Connection.TuneOk(20, 131_072, 0)), _OPEN)
)

#: connection.close and connection.close-ok, as a method's payload begins.
CLOSE, CLOSE_OK = b"\0\x0a\0\x32", b"\0\x0a\0\x33"

#: Streams longer than this say nothing that shorter ones do not.
LONGEST = 20_000


def corpus() -> list[bytes]:
    """Return the streams that the scenarios send on their first connections, without OPENING."""
    found = []
    for scenario in SCENARIOS.values():
        broker = Broker(profile="3.10")
        peers: list[_SendingPeer] = []

        def open_peer(broker: Broker = broker, peers: list[_SendingPeer] = peers) -> _SendingPeer:
            peers.append(_SendingPeer(broker))
            return peers[-1]

        scenario(open_peer)
        stream = bytes(peers[0].sent)
        if len(stream) <= LONGEST:
            found.append(stream)
    return found


@define(eq=False, slots=False)
class _SendingPeer(InMemoryPeer):
    """A peer that keeps what it sends once its connection is open."""

    sent: bytearray = field(factory=bytearray, init=False)

    def send(self, *data: bytes) -> None:
        """Send bytes and keep them."""
        if self.connection.state is State.RUNNING:
            self.sent += b"".join(data)
        super().send(*data)


def spoil(random: Random, streams: list[bytes]) -> bytes:
    """Return a stream that somebody might send who means ill, or whose memory is bad."""
    data = bytearray(random.choice(streams))
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        at = random.randrange(len(data) + 1)
        match random.randrange(9):
            case 0 | 1 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 2 if at < len(data):
                data[at] = random.choice((0, 1, 127, 128, 255, 0xCE))
            case 3:
                del data[at : at + random.choice((1, 2, 4, 8, 50))]
            case 4:
                data[at:at] = random.randbytes(random.choice((1, 2, 4, 20)))
            case 5:
                del data[at:]
            case 6:
                data += random.choice(streams)
            case 7:
                other = random.choice(streams)
                frames, _ = split(other)
                if frames:
                    data[at:at] = random.choice(frames).data
            case _:
                whole, rest = split(bytes(data))
                random.shuffle(whole)
                data = bytearray(b"".join(frame.data for frame in whole) + rest)
    return bytes(data)


@define
class Target:
    """A broker that takes one hostile stream after the other, and a client that shares it.

    A connection that survives its stream takes the next one too, since to open one costs more than
    most streams do. A new broker is made after `lifetime` streams: what hostile clients leave in
    it is allowed to stay.
    """

    lifetime: int = 500
    executions: int = field(default=0, init=False)
    #: How many connections the streams came on.
    connections: int = field(default=0, init=False)
    #: The most bytes that one connection held for its client and from it.
    most_kept: int = field(default=0, init=False)
    _broker: Broker = field(init=False)
    _bystander: InMemoryPeer = field(init=False)
    _peer: InMemoryPeer | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._broker = Broker(clock=ManualClock(), seed=1)
        self._bystander = InMemoryPeer(self._broker)
        self._bystander.login(channels=(1,))
        self._bystander.call(1, spec.Queue.Declare(queue="bystander", exclusive=True))

    def run(self, data: bytes, piece_bytes: int = 0) -> None:
        """Take a stream behind an opened connection, and assert what must hold."""
        self.executions += 1
        peer = self._peer or self._opened()
        peer.piece_bytes = piece_bytes
        peer.send(data)
        self._check(peer, data)
        if not self.executions % 16:
            self._advance(20)
        if self.executions % self.lifetime == 0:
            self._leave(peer)
            self.check()
            self._renew()
        elif self.executions % 32 == 0 or not _at_rest(peer):
            self._leave(peer)
        else:
            self._peer = peer
            _reopen_channels(peer)

    def begin(self, data: bytes) -> None:
        """Take a stream from a stranger."""
        self.executions += 1
        peer = InMemoryPeer(self._broker, LIMITS)
        peer.send(data)
        self._check(peer, data)
        peer.lost()

    def _opened(self) -> InMemoryPeer:
        self.connections += 1
        peer = InMemoryPeer(self._broker, LIMITS)
        connection = peer.connection
        if self.connections % 8 == 0:
            connection.receive(OPENING)
        else:  # as if logged in: half of what the opening costs
            connection.client_properties = CLIENT_PROPERTIES
            connection.user, connection.state = "guest", State.OPEN
            connection.channel_max = LIMITS.channel_max
            connection._frame_limit = LIMITS.frame_max
            connection.receive(_OPEN)
        peer.output()
        return peer

    def _leave(self, peer: InMemoryPeer) -> None:
        self._peer = None
        peer.lost()

    def _check(self, peer: InMemoryPeer, data: bytes) -> None:
        connection = peer.connection
        kept = len(connection._rest) + sum(
            len(part)
            for channel in connection.channels.values()
            if channel.content is not None
            for part in channel.content.parts
        )
        assert kept <= len(data) + 8
        self.most_kept = max(self.most_kept, kept)
        output = peer.output()
        if output == PROTOCOL_HEADER:
            assert connection.state is State.CLOSED
            return
        frames, rest = split(output)
        assert not rest
        if self.executions % 32 == 0:
            lines(frames)  # pika can decode each
        said = [frame.payload[:4] for frame in frames if frame.kind == METHOD]
        if connection.state is State.CLOSING:
            assert CLOSE in said
        if CLOSE in said:
            assert connection.state in (State.CLOSING, State.CLOSED)
            assert said[said.index(CLOSE) + 1 :] in ([], [CLOSE_OK])
            assert frames[-1].kind == METHOD

    def _advance(self, ms: int) -> None:
        clock = self._broker.clock
        assert isinstance(clock, ManualClock)
        clock.advance(ms=ms)

    def check(self) -> None:
        """Assert that the broker is sound, and that its other client noticed nothing."""
        self._broker.check()
        assert not self._bystander.frames()
        self._bystander.send(
            content(1, b"still here", routing_key="bystander"),
            method(1, spec.Basic.Get(queue="bystander", no_ack=True)),
        )
        assert self._bystander.lines()[-1] == "1 body b'still here'"
        self._advance(10_000_000)
        self._broker.check()


def _at_rest(peer: InMemoryPeer) -> bool:
    """Say whether a peer's connection waits for the next frame as it did for the first."""
    connection = peer.connection
    return (
        connection.state is State.RUNNING
        and not connection._rest
        and all(channel.content is None for channel in connection.channels.values())
    )


def _reopen_channels(peer: InMemoryPeer) -> None:
    """Open channels 1 and 2 again where the broker, or the stream, has closed them."""
    peer.piece_bytes = 0
    for number in (1, 2):
        channel = peer.connection.channels.get(number)
        if channel is not None and channel.closing:
            peer.send(_AGREED[number])
        if channel is None or channel.closing:
            peer.send(_OPENED[number])
            peer.output()
